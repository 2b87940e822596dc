import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ArtifactDescriptor, artifactRegistry } from '../../core/artifact.ts';
import type { DesiredFunction } from './desired-function.ts';

/** For tests: an artifact store and a state folder under one temporary folder, removed at the end. */
export interface Workshop extends AsyncDisposable {
  artifactsDir: string;
  stateDir: string;
  /** Puts an artifact into the store and gives its digest. */
  build(files: Record<string, string>, descriptor?: Partial<ArtifactDescriptor>): Promise<string>;
}

export async function createWorkshop(): Promise<Workshop> {
  const dir = await mkdtemp(path.join(tmpdir(), 'towline-functions-'));
  const artifactsDir = path.join(dir, 'artifacts');
  return {
    artifactsDir,
    stateDir: path.join(dir, 'functions'),
    async build(files, descriptor = {}) {
      const full: ArtifactDescriptor = {
        version: 1,
        language: 'node',
        mode: 'http',
        command: ['node', 'index.js'],
        environment: {},
        ...descriptor,
      };
      const hex = createHash('sha256')
        .update(JSON.stringify([files, full]))
        .digest('hex');
      const root = path.join(artifactsDir, hex, 'root');
      await mkdir(root, { recursive: true });
      for (const [name, text] of Object.entries(files)) await writeFile(path.join(root, name), text);
      await writeFile(path.join(artifactsDir, hex, 'artifact.json'), JSON.stringify(full));
      return `sha256:${hex}`;
    },
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** A node server that answers `answer`, its process id and `GREETING`, and ends like a good citizen. */
export function nodeServer(answer: string, before = ''): Record<string, string> {
  return {
    'index.js': `${before}
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/_/health') return response.end('OK');
  if (request.url === '/crash') process.exit(7);
  response.setHeader('x-pid', process.pid);
  response.end(${JSON.stringify(answer)} + (process.env.GREETING ?? ''));
});
server.listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`,
  };
}

/** What a deploy of `digest` asks for. */
export function desire(digest: string, changes: Partial<DesiredFunction> = {}): DesiredFunction {
  const wanted = {
    owner: 'alice',
    ownerId: 'id-alice',
    functionName: 'hello',
    environment: {},
    repo: 'site',
    branch: 'main',
    hold: null,
    access: 'public' as const,
    sourceCommit: digest.slice('sha256:'.length, 'sha256:'.length + 40),
    ...changes,
  };
  return {
    image: `${artifactRegistry}/${wanted.owner}/site-${wanted.functionName}:latest-main-${wanted.sourceCommit.slice(0, 7)}@${digest}`,
    ...wanted,
  };
}

/** Ids of live processes (not zombies) whose environment holds `text`. */
export async function processesWith(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
    if (environment.includes(text)) found.push(Number(name));
  }
  return found;
}
