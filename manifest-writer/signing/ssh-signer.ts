import { createHash, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { TowlineError } from '../../core/errors.ts';
import { ecCurves, readPrivateKey } from './private-key.ts';
import { sshNumber, sshString, uint32 } from './ssh-wire.ts';

export interface Signer {
  /** As a line of an `authorized_keys` or `allowed_signers` file has it. */
  publicKey: string;
  /** The text between and with `-----BEGIN SSH SIGNATURE-----` and its end. */
  sign(data: Buffer): string;
}

interface Algorithm {
  blob: Buffer;
  type: string;
  sign(data: Buffer): Buffer;
}

/** What git signs commits for. */
const namespace = 'git';
const hashName = 'sha512';

/**
 * Signs as `ssh-keygen -Y sign -n git` does, without a process for each commit and without a key file.
 * Source: PROTOCOL.sshsig of OpenSSH.
 */
export function createSshSigner(privateKey: string): Signer {
  const { blob, type, sign: signRaw } = algorithmOf(readPrivateKey(privateKey));
  const about = [sshString(namespace), sshString(''), sshString(hashName)];
  return {
    publicKey: `${blob.subarray(4, 4 + blob.readUInt32BE()).toString('latin1')} ${blob.toString('base64')}`,
    sign(data) {
      const digest = createHash(hashName).update(data).digest();
      const signature = signRaw(Buffer.concat([Buffer.from('SSHSIG'), ...about, sshString(digest)]));
      const whole = Buffer.concat([
        Buffer.from('SSHSIG'),
        uint32(1),
        sshString(blob),
        ...about,
        sshString(Buffer.concat([sshString(type), sshString(signature)])),
      ]);
      const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
      return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----'].join('\n');
    },
  };
}

const ecHashes: Record<string, string> = { 'P-256': 'sha256', 'P-384': 'sha384', 'P-521': 'sha512' };

function algorithmOf(key: KeyObject): Algorithm {
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  if (jwk.crv === 'Ed25519') {
    const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(field(jwk.x))]);
    return { blob, type: 'ssh-ed25519', sign: (data) => sign(null, data, key) };
  }
  if (jwk.kty === 'RSA') {
    const blob = Buffer.concat([sshString('ssh-rsa'), sshNumber(field(jwk.e)), sshNumber(field(jwk.n))]);
    return { blob, type: 'rsa-sha2-512', sign: (data) => sign('sha512', data, key) };
  }
  return ecAlgorithm(key, jwk);
}

function ecAlgorithm(key: KeyObject, jwk: JsonWebKey): Algorithm {
  const [type] = [...ecCurves].find(([, curve]) => curve === jwk.crv) ?? [];
  const hash = ecHashes[jwk.crv ?? ''];
  if (type === undefined || hash === undefined) {
    const hint = 'ed25519, RSA and ECDSA on the NIST curves';
    throw new TowlineError('config_invalid', 'commits cannot be signed with this type of key', { hint });
  }
  const point = Buffer.concat([Buffer.from([4]), field(jwk.x), field(jwk.y)]);
  const curveName = type.slice('ecdsa-sha2-'.length);
  return {
    blob: Buffer.concat([sshString(type), sshString(curveName), sshString(point)]),
    type,
    sign(data) {
      const both = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const half = both.length / 2;
      return Buffer.concat([sshNumber(both.subarray(0, half)), sshNumber(both.subarray(half))]);
    },
  };
}

function field(value: string | undefined): Buffer {
  return Buffer.from(value ?? '', 'base64url');
}
