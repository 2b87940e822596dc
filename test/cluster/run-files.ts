import { glob, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { runProcess } from '../../runtime/run-process.ts';

/** A file that takes longer hangs: on two cores that nobody else uses none takes five minutes. */
const fileTimeoutMs = 1_200_000;
const maxOutput = 4_000_000;

/** One after the other: two Docker Engines on one machine would undo each other's firewall rules. */
const usesDocker = /from '[./]*containers\/dockerd\.ts'/;

interface Outcome {
  file: string;
  isGood: boolean;
  tests: number;
  seconds: number;
}

export interface FilesOptions {
  /** The environment of each file's process. */
  env: Record<string, string>;
  signal: AbortSignal;
  /** Where what happened is told. */
  write(text: string): void;
  /** How many run beside those that use Docker. Default: as the machine has cores, two at least. */
  atOnce?: number | undefined;
}

/** Of the folder that it is called in; the whole platform first, because those take longest. */
export async function clusterFiles(): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob('**/*.cluster.ts', { exclude: (name) => /node_modules$/.test(name) }))
    files.push(file);
  const rank = (file: string) => (file.includes('/mission/') ? 0 : 1);
  return files.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Runs each file in a process of its own and tells of it when it has ended; gives whether all are good. */
export async function runFiles(files: readonly string[], options: FilesOptions): Promise<boolean> {
  const { atOnce = Math.max(2, availableParallelism()) } = options;
  const started = performance.now();
  const [withDocker, others]: [string[], string[]] = [[], []];
  for (const file of files) (usesDocker.test(await readFile(file, 'utf8')) ? withDocker : others).push(file);
  const outcomes: Outcome[] = [];
  const work = async (queue: string[]) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (options.signal.aborted) return;
      outcomes.push(await runFile(file, options));
    }
  };
  await Promise.all([work(withDocker), ...Array.from({ length: atOnce }, () => work(others))]);
  options.write(summary(outcomes, performance.now() - started));
  return outcomes.length === files.length && outcomes.every(({ isGood }) => isGood);
}

async function runFile(file: string, { env, signal, write }: FilesOptions): Promise<Outcome> {
  const started = performance.now();
  const kept: Buffer[] = [];
  let size = 0;
  const result = await runProcess({
    ...{ command: process.execPath, args: ['--test-reporter=spec', file], env, signal },
    timeoutMs: fileTimeoutMs,
    onOutput(chunk) {
      size += chunk.length;
      if (size <= maxOutput) kept.push(chunk);
    },
  }).catch((error: unknown) => {
    kept.push(Buffer.from(`${String(error)}\n`));
    return { exitCode: null, timedOut: false };
  });
  const output = Buffer.concat(kept).toString();
  const seconds = Math.round((performance.now() - started) / 1000);
  const tests = Number(/^ℹ tests (\d+)$/m.exec(output)?.[1] ?? 0);
  // A file that tells of no test has not got as far.
  const isGood = result.exitCode === 0 && tests > 0;
  const end = result.timedOut ? `does not end, and was stopped after ${seconds} s` : `${seconds} s`;
  write(`\n# ${isGood ? 'good' : 'FAILED'}: ${file}: ${tests} tests, ${end}\n${output}`);
  return { file, isGood, tests, seconds };
}

function summary(outcomes: readonly Outcome[], ms: number): string {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + of(one), 0);
  const failed = outcomes.filter(({ isGood }) => !isGood).map(({ file }) => file);
  const text = `${outcomes.length} files, ${sum(({ tests }) => tests)} tests in ${Math.round(ms / 1000)} s`;
  const verdict = failed.length === 0 ? 'all good' : `FAILED: ${failed.join(' ')}`;
  return `\n# ${text}: ${verdict}\n`;
}
