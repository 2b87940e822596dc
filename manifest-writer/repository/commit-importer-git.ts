import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { TowlineError } from '../../core/errors.ts';
import { killGroup, type RunResult } from '../../runtime/run-process.ts';
import { DamagedCopyError } from './manifest-repository.ts';

/** Makes commits through one long-lived `git fast-import`, which starts no process and knows the last trees. */
export interface CommitImporter extends AsyncDisposable {
  /** The ids of the commits in the stream, which asks for as many; their objects can be read from then on. */
  append(stream: Buffer, count: number): Promise<string[]>;
  /** Lets go of the repository; the next `append` starts afresh. */
  pause(): Promise<void>;
}

interface Running {
  child: ChildProcessWithoutNullStreams;
  closed: Promise<void>;
  commits: number;
  stderr: string;
}

const timeoutMs = 60_000;
/** It remembers every object it wrote. */
const maxCommits = 20_000;
const graceMs = 5_000;
const stderrTail = 4_096;

export function createCommitImporter(
  env: Record<string, string>,
  whyFailed: (ended: Pick<RunResult, 'stderr' | 'endedBy'>) => TowlineError | undefined,
): CommitImporter {
  let running: Running | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  function start(): Running {
    const args = ['fast-import', '--quiet', '--force', '--done'];
    // Its own process group: a Ctrl+C in the terminal must not end it before the writer has finished.
    const child = spawn('git', args, { env, stdio: 'pipe', detached: true });
    const closed = new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('close', () => resolve());
    });
    const started: Running = { child, closed, commits: 0, stderr: '' };
    child.stdin.on('error', () => {});
    child.stderr.on('data', (chunk: Buffer) => {
      started.stderr = (started.stderr + chunk.toString('utf8')).slice(-stderrTail);
    });
    return started;
  }

  async function stop(): Promise<void> {
    const ending = running;
    running = undefined;
    if (!ending) return;
    killGroup(ending.child.pid, 'SIGKILL');
    await ending.closed;
  }

  /** Only an import that comes to its end lets go of its packs. */
  async function finish(): Promise<void> {
    const ending = running;
    if (!ending) return;
    const late = setTimeout(() => killGroup(ending.child.pid, 'SIGKILL'), graceMs);
    ending.child.stdin.end('done\n');
    await ending.closed;
    clearTimeout(late);
    running = undefined;
  }

  async function appendNow(stream: Buffer, count: number): Promise<string[]> {
    if (running && running.commits >= maxCommits) await finish();
    running ??= start();
    const { child, closed } = running;
    running.commits += count;
    try {
      const answer = lines(child, count);
      const late = setTimeout(() => killGroup(child.pid, 'SIGKILL'), timeoutMs);
      child.stdin.write(stream);
      const ids = await Promise.race([answer, closed.then(() => undefined)]).finally(() =>
        clearTimeout(late),
      );
      if (ids) return ids;
      const { stderr } = running;
      throw (
        whyFailed({ stderr, endedBy: child.signalCode }) ??
        new DamagedCopyError(`git fast-import: ${stderr.trim().slice(-500)}`)
      );
    } catch (error) {
      await stop();
      throw error;
    }
  }

  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work);
    queue = result.catch(() => {});
    return result;
  }

  return {
    append: (stream, count) => alone(() => appendNow(stream, count)),
    pause: () => alone(finish),
    async [Symbol.asyncDispose]() {
      killGroup(running?.child.pid, 'SIGKILL');
      await alone(stop);
    },
  };
}

/** The next lines of standard output. */
function lines({ stdout }: ChildProcessWithoutNullStreams, count: number): Promise<string[]> {
  return new Promise((resolve) => {
    let text = '';
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const found = text.split('\n').slice(0, -1);
      if (found.length < count) return;
      stdout.off('data', onData);
      resolve(found);
    };
    stdout.on('data', onData);
  });
}
