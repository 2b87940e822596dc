import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface RunOptions {
  command: string;
  args: readonly string[];
  cwd?: string;
  /** The whole environment: nothing is inherited. */
  env: Record<string, string>;
  input?: string | Uint8Array | Readable;
  /** Milliseconds; then the whole process group is killed. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Bytes of standard output kept; more is an error, so that nothing is read without bound. */
  maxOutputBytes?: number;
  /** Gets output as it comes, instead of its being kept. */
  onOutput?: (chunk: Buffer, stream: 'stdout' | 'stderr') => void;
}

export interface RunResult {
  exitCode: number | null;
  /** The signal that ended it, if one did. */
  endedBy: NodeJS.Signals | null;
  timedOut: boolean;
  stdout: Buffer;
  /** The last 16 kB. */
  stderr: string;
}

const stderrTail = 16_384;
/** How long the output of a program that has ended is still read: one that left its group may hold it open for ever. */
const drainMs = 500;

/** Sends a signal to a detached child's whole process group; a group that is gone is fine. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // EPERM: what is left of the group belongs to another user by now, so it is not ours to end.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Runs a program without a shell, in a process group of its own that never outlives the call.
 * Rejects only if it cannot be started, is aborted, or says too much; an exit code is a result.
 */
export async function runProcess(options: RunOptions): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = spawn(options.command, options.args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  let timedOut = false;
  let failure: Error | undefined;
  let drained: NodeJS.Timeout | undefined;
  const end = (reason?: Error) => {
    failure ??= reason;
    killGroup(child.pid, 'SIGKILL');
  };
  const onAbort = () =>
    end(options.signal?.reason instanceof Error ? options.signal.reason : new Error('aborted'));
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const limit = options.maxOutputBytes ?? 64 * 1024 * 1024;
  child.stdout.on('data', (chunk: Buffer) => {
    if (options.onOutput) return options.onOutput(chunk, 'stdout');
    stdoutBytes += chunk.length;
    if (stdoutBytes > limit) return end(new Error(`${options.command} printed more than ${limit} bytes`));
    stdout.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    options.onOutput?.(chunk, 'stderr');
    stderr = (stderr + chunk.toString('utf8')).slice(-stderrTail);
  });
  // A program may end without reading its input; its exit code tells, not the broken pipe.
  child.stdin.on('error', () => {});
  if (options.input === undefined) child.stdin.end();
  else if (typeof options.input === 'string' || options.input instanceof Uint8Array)
    child.stdin.end(options.input);
  else options.input.pipe(child.stdin);
  try {
    const [exitCode, endedBy] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('exit', () => {
          killGroup(child.pid, 'SIGKILL');
          drained = setTimeout(() => {
            child.stdout.destroy();
            child.stderr.destroy();
          }, drainMs);
        });
        child.once('close', (code, signal) => resolve([code, signal]));
      },
    );
    if (failure) throw failure;
    return { exitCode, endedBy, timedOut, stdout: Buffer.concat(stdout), stderr };
  } finally {
    clearTimeout(timer);
    clearTimeout(drained);
    options.signal?.removeEventListener('abort', onAbort);
    // A background grandchild may have kept the group alive.
    killGroup(child.pid, 'SIGKILL');
  }
}
