import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { TowlineError } from '../../core/errors.ts';
import { DamagedCopyError } from './manifest-repository.ts';

export interface GitObject {
  id: string;
  type: string;
  content: Buffer;
}

interface Waiting {
  resolve: (object: GitObject | undefined) => void;
  reject: (error: Error) => void;
}

/** Reads objects through one long-lived `git cat-file --batch`, so that a read costs no process. */
export interface ObjectReader extends AsyncDisposable {
  /** `undefined`: git knows no such object. Throws `too_large`, which concerns no other read. */
  read(name: string): Promise<GitObject | undefined>;
}

const maxWaiting = 100_000;

export function createObjectReader(env: Record<string, string>, maxObjectBytes: number): ObjectReader {
  let child: ChildProcessWithoutNullStreams | undefined;
  let waiting: Waiting[] = [];

  function start(): ChildProcessWithoutNullStreams {
    // Its own process group: a Ctrl+C in the terminal must not end it before the writer has finished.
    const started = spawn('git', ['cat-file', '--batch'], { env, stdio: 'pipe', detached: true });
    const answers: Waiting[] = [];
    waiting = answers;
    const fail = (error: Error) => {
      if (child === started) child = undefined;
      for (const one of answers.splice(0)) one.reject(error);
      started.kill('SIGKILL');
    };
    const accept = createParser(
      maxObjectBytes,
      (object) => answers.shift()?.resolve(object),
      (bytes) => answers.shift()?.reject(tooLarge(bytes)),
      (message) => fail(new DamagedCopyError(message)),
    );
    started.stdout.on('data', accept);
    started.stderr.resume();
    started.stdin.on('error', () => {});
    started.on('error', (cause) => fail(new DamagedCopyError('git cat-file cannot be started', { cause })));
    started.on('close', () => fail(new DamagedCopyError('git cat-file ended')));
    return started;
  }

  /** What is asked for in one turn of the event loop is one write. */
  function write({ stdin }: ChildProcessWithoutNullStreams, line: string): void {
    if (stdin.writableCorked === 0) {
      stdin.cork();
      setImmediate(() => stdin.uncork());
    }
    stdin.write(line);
  }

  return {
    read(name) {
      return new Promise((resolve, reject) => {
        if (/[\n\r\0]/.test(name)) return reject(new Error('an object name is one line'));
        child ??= start();
        if (waiting.length >= maxWaiting) return reject(new Error('too many objects asked for at once'));
        waiting.push({ resolve, reject });
        write(child, `${name}\n`);
      });
    },
    async [Symbol.asyncDispose]() {
      const ending = child;
      child = undefined;
      if (!ending || ending.exitCode !== null) return;
      const closed = new Promise<void>((resolve) => ending.once('close', () => resolve()));
      ending.stdin.end();
      ending.kill('SIGKILL');
      await closed;
    },
  };
}

function tooLarge(bytes: number): TowlineError {
  return new TowlineError('too_large', `a file of ${bytes} bytes is too large to be read`);
}

/** Cuts the stream `<id> <type> <size>\n<content>\n` or `<name> missing\n` into objects. */
function createParser(
  maxObjectBytes: number,
  onObject: (object: GitObject | undefined) => void,
  onTooLarge: (bytes: number) => void,
  onBroken: (message: string) => void,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let size = 0;
  let header: { id: string; type: string; bytes: number } | undefined;
  /** What is still to come of an object that nobody wants. */
  let unwanted = 0;

  function readHeader(): boolean {
    const text = joined();
    const end = text.indexOf(10);
    if (end < 0) return false;
    const words = text.subarray(0, end).toString('latin1').split(' ');
    consume(end + 1);
    const [id = '', type = '', bytes = ''] = words.slice(-3);
    if (words.at(-1) === 'missing' || words.at(-1) === 'ambiguous') onObject(undefined);
    else if (!/^\d+$/.test(bytes)) onBroken('git cat-file gave an unexpected answer');
    else if (Number(bytes) > maxObjectBytes) {
      unwanted = Number(bytes) + 1;
      onTooLarge(Number(bytes));
    } else header = { id, type, bytes: Number(bytes) };
    return true;
  }
  function readContent({ id, type, bytes }: { id: string; type: string; bytes: number }): boolean {
    if (size < bytes + 1) return false;
    const content = Buffer.from(joined().subarray(0, bytes));
    consume(bytes + 1);
    header = undefined;
    onObject({ id, type, content });
    return true;
  }
  function skip(): boolean {
    const bytes = Math.min(unwanted, size);
    unwanted -= bytes;
    consume(bytes);
    return true;
  }
  function next(): boolean {
    if (unwanted > 0) return skip();
    return header ? readContent(header) : readHeader();
  }
  function joined(): Buffer {
    if (chunks.length !== 1) chunks = [Buffer.concat(chunks, size)];
    return chunks[0] ?? Buffer.alloc(0);
  }
  function consume(bytes: number): void {
    chunks = [joined().subarray(bytes)];
    size -= bytes;
  }
  return (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size > 0 && next());
  };
}
