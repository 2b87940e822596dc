import { spawn } from 'node:child_process';
import { killGroup, type RunResult } from '../../runtime/run-process.ts';
import { createSectionReader, flushPacket } from './packet-lines.ts';

/** `git send-pack --stateless-rpc`: hears what the remote has, says what to ask, hears the answer, says what came of it. */
export interface SendPack extends AsyncDisposable {
  write(data: string | Buffer): void;
  /** The body to be posted; `none`: there is nothing to ask, its result says why. Rejects beyond `maxBytes`. */
  request(maxBytes: number): Promise<Buffer | 'none'>;
  end(): Promise<RunResult>;
}

const stderrTail = 16_384;
const maxResultBytes = 64 * 1024;

export function startSendPack(
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): SendPack {
  const child = spawn('git', ['send-pack', ...args], { env, stdio: 'pipe', detached: true });
  const kill = () => killGroup(child.pid, 'SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let stderr = '';
  let stdout: Buffer = Buffer.alloc(0);
  let accept = (chunk: Buffer): void => {
    stdout = Buffer.concat([stdout, chunk]);
    if (stdout.length > maxResultBytes) kill();
  };
  const keep = accept;
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk: Buffer) => accept(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-stderrTail);
  });
  const closed = new Promise<Pick<RunResult, 'exitCode' | 'endedBy'>>((resolve) => {
    child.once('error', () => resolve({ exitCode: null, endedBy: null }));
    child.once('close', (exitCode, endedBy) => resolve({ exitCode, endedBy }));
  });

  return {
    write: (data) => void child.stdin.write(data),
    request(maxBytes) {
      const found = Promise.withResolvers<Buffer | 'none'>();
      const read = createSectionReader(maxBytes);
      accept = (chunk) => {
        try {
          const section = read(chunk);
          if (!section) return;
          accept = keep;
          if (section.rest.length > 0) keep(section.rest);
          found.resolve(section.lines.length === 0 ? 'none' : Buffer.concat(section.lines));
        } catch (error) {
          accept = () => {};
          kill();
          found.reject(error);
        }
      };
      closed.then(() => found.reject(new Error(`git send-pack: ${stderr.trim().slice(-500)}`)));
      return found.promise;
    },
    async end() {
      child.stdin.end();
      const ending = await closed;
      // The answer's end, if it was given one.
      const result = stdout.toString('latin1', 0, 4) === flushPacket ? stdout.subarray(4) : stdout;
      return { ...ending, timedOut: false, stdout: result, stderr };
    },
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', kill);
      kill();
      await closed;
    },
  };
}
