import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { KeyStore, SigningKey } from './key-store.ts';

const algorithm = 'ES256';
/** `session-<when it was made, milliseconds, 15 digits>-<kid>.jwk`: the names sort by age. */
const fileName = /^session-(\d{15})-([A-Za-z0-9_-]{43})\.jwk$/;

const PrivateJwk = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});

/** Signing keys as files that only their owner can read. */
export function createFolderKeyStore(options: { folder: string; clock: () => number }): KeyStore {
  const { folder, clock } = options;

  async function files(): Promise<string[]> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return (await readdir(folder))
      .filter((name) => fileName.test(name))
      .sort()
      .reverse();
  }

  async function rotate(): Promise<SigningKey> {
    const newest = (await files())[0];
    // Never older than the newest, even if the clock was set back: the new key has to be the one that signs.
    const createdAt = Math.max(clock(), newest ? createdAtOf(newest) + 1 : 0);
    const pair = await generateKeyPair(algorithm, { extractable: true });
    const jwk = await exportJWK(pair.privateKey);
    const kid = await calculateJwkThumbprint(jwk);
    const name = `session-${String(createdAt).padStart(15, '0')}-${kid}.jwk`;
    await writePrivately(join(folder, name), JSON.stringify(jwk));
    return await load(folder, name);
  }

  return {
    rotate,
    async keys() {
      const names = await files();
      if (names.length === 0) return [await rotate()];
      return await Promise.all(names.map((name) => load(folder, name)));
    },
    async retire(kid) {
      for (const name of await files()) {
        if (fileName.exec(name)?.[2] === kid) await rm(join(folder, name), { force: true });
      }
    },
  };
}

function createdAtOf(name: string): number {
  return Number(fileName.exec(name)?.[1] ?? 0);
}

/** A reader sees the whole file or none, and nobody else can read it at any moment. */
async function writePrivately(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function load(folder: string, name: string): Promise<SigningKey> {
  const path = join(folder, name);
  // A backup or a copy may have widened the mode.
  await chmod(path, 0o600);
  try {
    const secret = PrivateJwk.parse(JSON.parse(await readFile(path, 'utf8')));
    const { d: _private, ...publicPart } = secret;
    const kid = await calculateJwkThumbprint(publicPart);
    const publicJwk: JWK = { ...publicPart, kid, alg: algorithm, use: 'sig' };
    return {
      kid,
      privateKey: await importPrivate(secret),
      publicKey: await importPublic(publicPart),
      publicJwk,
      createdAt: createdAtOf(name),
    };
  } catch (cause) {
    throw new TowlineError('data_folder_unusable', `the signing key ${path} cannot be read`, {
      hint: 'delete the file: everybody has to log in again, nothing else is lost',
      cause,
    });
  }
}

async function importPrivate(jwk: JWK): Promise<CryptoKey> {
  return asCryptoKey(await importJWK(jwk, algorithm));
}

async function importPublic(jwk: JWK): Promise<CryptoKey> {
  return asCryptoKey(await importJWK(jwk, algorithm, { extractable: true }));
}

function asCryptoKey(key: CryptoKey | Uint8Array): CryptoKey {
  if (key instanceof Uint8Array) throw new TypeError('not an asymmetric key');
  return key;
}
