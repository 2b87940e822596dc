import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort, startProgram } from '../containers/program.ts';
import { ownedFolder } from '../containers/test-owner.ts';

const sources = join(import.meta.dirname, 's3-gateway');
const program = 'versitygw';
let building: Promise<string> | undefined;

/** The server's program: built once for this machine, from the module that s3-gateway/go.mod pins. */
export function gatewayProgram(): Promise<string> {
  building ??= buildGateway();
  return building;
}

async function buildGateway(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'towline', 'tools');
  const sums = createHash('sha256').update(await readFile(join(sources, 'go.sum')));
  const dir = join(cache, `${program}-${sums.digest('hex').slice(0, 12)}`);
  const isBuilt = await access(join(dir, program)).then(
    () => true,
    () => false,
  );
  if (isBuilt) return join(dir, program);
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(cache, '.new-'));
  try {
    process.stderr.write(`# building ${program} with go (once; minutes on a cold Go cache)\n`);
    const command = `github.com/versity/versitygw/cmd/${program}`;
    const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', `${making}/`, command];
    const env = { ...process.env, GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
    const child = spawn('go', args, { cwd: sources, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`go build ended with ${code}`);
    // Whoever comes second has built the same.
    await rename(making, dir).catch(() => undefined);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return join(dir, program);
}

export interface S3Gateway extends AsyncDisposable {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** Ends the program; the objects stay. */
  stop(): Promise<void>;
}

/** A real S3-compatible server on a loopback port, over a temporary folder or a given one. */
export async function startS3Gateway(options: { port?: number; dir?: string } = {}): Promise<S3Gateway> {
  const command = await gatewayProgram();
  const dir = options.dir ?? (await ownedFolder('s3'));
  for (const folder of ['objects', 'metadata']) await mkdir(join(dir, folder), { recursive: true });
  const port = options.port ?? (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'tester', secretAccessKey: 'loopback-only' };
  const args = ['--access', credentials.accessKeyId, '--secret', credentials.secretAccessKey];
  const running = await startProgram({
    command,
    args: [
      ...args,
      '--port',
      `127.0.0.1:${port}`,
      'posix',
      '--sidecar',
      join(dir, 'metadata'),
      join(dir, 'objects'),
    ],
    async isReady() {
      const response = await fetch(endpoint);
      await response.arrayBuffer();
      return response.status === 403;
    },
  });
  return {
    endpoint,
    credentials,
    stop: async () => await running[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
