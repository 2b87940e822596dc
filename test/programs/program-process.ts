import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '../..');

/** A program's real process, as a pod runs it: its own environment and nothing else. */
export interface ProgramProcess extends AsyncDisposable {
  /** Resolves with what it says when it takes requests; rejects with its last words if it ends before. */
  listening: Promise<{ port?: number; internalPort: number }>;
  /** The status of `/healthz` or `/readyz`, and what it says. */
  probe(path: string): Promise<{ status: number; body: Record<string, string> }>;
  /** Resolves once it is ready. */
  ready(): Promise<void>;
  /** Sends the signal and gives how it ended: its exit code, or the signal. */
  end(signal: NodeJS.Signals): Promise<number | string>;
  /** How it ended by itself. */
  ended: Promise<number | string>;
  output(): string;
}

export function startProgramProcess(
  main: string,
  env: Record<string, string>,
  args: string[] = [],
): ProgramProcess {
  const child: ChildProcess = spawn(process.execPath, [join(root, main), ...args], {
    cwd: '/',
    env: {
      PATH: process.env['PATH'] ?? '',
      TOWLINE_HOST: '127.0.0.1',
      TOWLINE_INTERNAL_PORT: '0',
      PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (line: string) => {
    output = `${output}${line}\n`.slice(-65_536);
  };
  const { promise: listening, resolve, reject } = Promise.withResolvers<{ internalPort: number }>();
  listening.catch(() => undefined);
  createInterface({ input: child.stdout! }).on('line', (line) => {
    keep(line);
    if (line.includes('"msg":"listening"')) resolve(JSON.parse(line));
  });
  createInterface({ input: child.stderr! }).on('line', keep);
  const ended = once(child, 'close').then((args: unknown[]) => {
    const [code, signal] = args as [number | null, string | null];
    reject(new Error(`${main} ended with ${code ?? signal}:\n${output}`));
    return code ?? signal ?? 'unknown';
  });

  async function probe(path: string) {
    const { internalPort } = await listening;
    const response = await fetch(`http://127.0.0.1:${internalPort}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  }

  async function end(signal: NodeJS.Signals) {
    child.kill(signal);
    return ended;
  }

  return {
    listening,
    probe,
    async ready() {
      for (;;) {
        if ((await probe('/readyz')).status === 200) return;
        await new Promise((wake) => setTimeout(wake, 100));
      }
    },
    end,
    ended,
    output: () => output,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
    },
  };
}

/** A folder with the files that every program is given: service tokens, and a kubeconfig that leads nowhere. */
export async function programFiles(): Promise<AsyncDisposable & { dir: string; at(name: string): string }> {
  const dir = await mkdtemp(join(tmpdir(), 'towline-program-'));
  const at = (name: string) => join(dir, name);
  await writeFile(at('tokens'), `${'t'.repeat(40)}\n`);
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    clusters: [{ name: 'here', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: { token: 'unused' } }],
  };
  await writeFile(at('kubeconfig'), JSON.stringify(kubeconfig));
  return { dir, at, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}
