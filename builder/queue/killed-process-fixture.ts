/** How tests start a program that they kill again and again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'vite';
import type { PushRecord } from '../../core/deploy.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The builder and what it needs in one file: a process that is started a thousand times must not load a thousand modules
 * each time. Nothing of it is replaced. `entry`: a file beside this one.
 */
export async function bundle(entry: string, outDir: string): Promise<string> {
  await build({
    ...{ root, configFile: false, logLevel: 'error' },
    ssr: { noExternal: true, target: 'node' },
    build: {
      ...{ ssr: join(import.meta.dirname, entry), outDir, minify: false },
      rollupOptions: {
        output: { entryFileNames: 'builder.mjs' },
        // Of Docker's client, which no test here uses.
        external: [/ssh2/, /\.node$/, 'pg-native', 'cpu-features'],
        treeshake: { moduleSideEffects: (id) => id.includes('killed-') },
      },
    },
  });
  return join(outDir, 'builder.mjs');
}

/** Numbers in [0, 1) that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

export function oneOf<T>(some: readonly T[], random: () => number): T {
  const one = some[Math.floor(random() * some.length)];
  assert.ok(one !== undefined);
  return one;
}

export interface KilledProcess {
  child: ChildProcess;
  port: number;
}

/** `path`: the `PATH` of what it starts; `dir`: its folder. */
export async function start(program: string, path: string, dir: string): Promise<KilledProcess> {
  const child = spawn(process.execPath, [program, dir, path], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: path, NODE_COMPILE_CACHE: join(dir, 'compiled') },
  });
  const [message] = await once(child, 'message');
  return { child, port: (message as { port: number }).port };
}

/** Everything that it knows of pushes, when nothing is under way. */
export async function drained(child: ChildProcess): Promise<PushRecord[]> {
  child.send('drain');
  const [message] = await once(child, 'message');
  return (message as { pushes: PushRecord[] }).pushes;
}
