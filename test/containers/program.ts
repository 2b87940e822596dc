import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { killGroup } from '../../runtime/run-process.ts';
import { sweepDeadRuns } from './dead-runs.ts';
import { tryHold } from './machine-wide.ts';
import { ownerVariable, thisOwner } from './test-owner.ts';

export interface ProgramOptions {
  command: string;
  args: readonly string[];
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  /** Asked again and again until it resolves to `true`; a throw counts as "not yet". */
  isReady(): Promise<boolean>;
  /** Milliseconds until it must be ready. Default: 60,000. */
  timeoutMs?: number | undefined;
}

export interface RunningProgram extends AsyncDisposable {
  pid: number;
  /** The last 64 kB of both outputs. */
  output(): string;
  /** Resolves when it has ended, whoever ended it. */
  exited: Promise<void>;
  /** Ends the whole group without a warning, as a crash does. */
  kill(): Promise<void>;
}

const keptOutput = 65_536;
/** For daemons in Go, which then collect garbage less often: tests wait for the processor, not for memory. */
export const goEnvironment = {
  ...{ PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' },
  GOGC: '300',
};
/** Has the kernel end the program with the process that started it, however that ends. */
const guard = ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'];
const isGuarded = existsSync(guard[0]!);
let swept: Promise<unknown> | undefined;

/**
 * Starts a server in a process group of its own and waits until it answers. Dispose asks it to end, then makes it. It
 * does not outlive this process; what it starts itself, in other groups, is ended by the next test process that starts one.
 */
export async function startProgram(options: ProgramOptions): Promise<RunningProgram> {
  swept ??= sweepDeadRuns();
  await swept;
  const [command = '', ...args] = [...(isGuarded ? guard : []), options.command, ...options.args];
  const env = options.env ?? { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' };
  const child = spawn(command, args, {
    env: { ...env, [ownerVariable]: thisOwner },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
  }
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let hasEnded = false;
  exited.then(() => {
    hasEnded = true;
  });
  await once(child, 'spawn');
  const pid = child.pid!;
  const kill = async () => {
    killGroup(pid, 'SIGKILL');
    if (!hasEnded) await exited;
  };
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  while (!(await options.isReady().catch(() => false))) {
    if (hasEnded || Date.now() > deadline) {
      await kill();
      throw new Error(`${options.command} did not start:\n${output}`);
    }
    await wait(50);
  }
  return {
    pid,
    output: () => output,
    exited,
    kill,
    async [Symbol.asyncDispose]() {
      // The leader alone: it ends its own children in order. What it leaves is ended by group.
      if (!hasEnded) child.kill('SIGTERM');
      await Promise.race([exited, wait(10_000, undefined, { ref: false })]);
      await kill();
    },
  };
}

/** Below the ports that the kernel gives to connections, which would take one whose server is away for a moment. */
const [firstPort, endOfPorts] = [16_384, 32_768];

/**
 * A loopback port that nobody listens at, and that no other test on this machine is given while this process runs: it
 * may be listened at later, and again after a restart.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(firstPort, endOfPorts);
    if ((await tryHold(`port-${port}`)) && (await canListen(port))) return port;
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
