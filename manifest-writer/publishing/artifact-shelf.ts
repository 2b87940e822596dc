import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface ArtifactShelfConfig {
  dir: string;
  /** Every address of the machine if it isn't given. */
  host: string | undefined;
  /** 0: any free one. */
  port: number;
  /** Milliseconds that an archive stays after it was replaced: Flux may be about to fetch it. Default: 10 minutes. */
  keepMs?: number | undefined;
}

/** Archives by their digest, for whoever knows it: read over HTTP, never listed and never changed. */
export interface ArtifactShelf extends AsyncDisposable {
  port: number;
  /** As it lies below the server's origin. */
  pathOf(digest: string): string;
  has(digest: string): Promise<boolean>;
  /** Resolves when it would outlast a crash of the machine. */
  put(digest: string, content: Buffer): Promise<void>;
  /** Removes what nobody needs any more. */
  sweep(needed: ReadonlySet<string>): Promise<void>;
}

const fileOf = (digest: string) => `${digest.slice('sha256:'.length)}.tar.gz`;
const digestOf = (file: string) => `sha256:${file.slice(0, 64)}`;
const archive = /^[0-9a-f]{64}\.tar\.gz$/;
const maxConnections = 200;
const requestMs = 30_000;

export async function openArtifactShelf(config: ArtifactShelfConfig): Promise<ArtifactShelf> {
  const { dir, keepMs = 600_000 } = config;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const server = createServer((request, response) => {
    answer(dir, request, response).catch(() => response.destroy());
  });
  server.maxConnections = maxConnections;
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  server.setTimeout(requestMs);
  server.listen(config.port, config.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const has = (digest: string) =>
    stat(join(dir, fileOf(digest))).then(
      () => true,
      () => false,
    );

  /** Known to be whole: what a former process left has a name that a crash may have made untrue. */
  const whole = new Set<string>();

  async function isWhole(digest: string, content: Buffer): Promise<boolean> {
    const path = join(dir, fileOf(digest));
    if ((await sizeOf(path)) !== content.length) return false;
    return whole.has(digest) || content.equals(await readFile(path));
  }

  return {
    port,
    pathOf: fileOf,
    has,
    async put(digest, content) {
      if (!(await isWhole(digest, content))) await writeDurably(dir, fileOf(digest), content);
      whole.add(digest);
    },
    async sweep(needed) {
      const kept = new Set([...needed].map(fileOf));
      for (const name of await readdir(dir)) {
        if (kept.has(name)) continue;
        const path = join(dir, name);
        const { mtimeMs } = await stat(path);
        if (Date.now() - mtimeMs <= keepMs) continue;
        await rm(path, { force: true });
        whole.delete(digestOf(name));
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(dir: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  const name = (request.url ?? '').slice(1);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const size = isRead && archive.test(name) ? await sizeOf(join(dir, name)) : undefined;
  if (size === undefined) {
    response.writeHead(isRead ? 404 : 405, { 'content-length': 0 }).end();
    return;
  }
  response.writeHead(200, {
    'content-type': 'application/gzip',
    'content-length': size,
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(join(dir, name)), response);
}

/** Under a name of its own first: several tenants may have the same archive. */
async function writeDurably(dir: string, name: string, content: Buffer): Promise<void> {
  const draft = join(dir, `${name}.${randomUUID()}.new`);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, join(dir, name));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  );
}
