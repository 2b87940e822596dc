import { appendFile, mkdir, open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../../runtime/logger.ts';

/**
 * What a function prints, in a file and one older file beside it (`.1`): together at most `maxBytes`.
 * Each line begins with the time at which it came, as `2026-11-22T16:31:22.123Z `.
 */
export interface OutputLog {
  /** Never blocks the function: what the disk cannot take in time is dropped, and the log says so. */
  write(chunk: Buffer): void;
  /** Resolves when everything taken so far is on disk. */
  written(): Promise<void>;
  /** The newest bytes on disk, and everything that comes there from then on: nothing is left out, nothing is twice. */
  follow(maxBytes: number, listener: OutputListener): Promise<FollowedOutput>;
  /** There will be no more output: ends whoever follows. */
  end(): void;
}

export interface OutputListener {
  piece(piece: Buffer): void;
  end(): void;
}

/** Disposing it ends the listening. */
export interface FollowedOutput extends Disposable {
  /** Begins with a whole line. */
  kept: Buffer;
}

const maxPendingBytes = 1_048_576;

export function createOutputLog(
  file: string,
  maxBytes: number,
  logger: Logger,
  now: () => number = Date.now,
): OutputLog {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let droppedBytes = 0;
  let atLineStart = true;
  let size: number | undefined;
  let pump: Promise<void> | undefined;
  /** What has to see the files while nothing is being written. */
  const readings: (() => Promise<void>)[] = [];
  const listeners = new Set<OutputListener>();

  function stamped(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const stamp = `${new Date(now()).toISOString()} `;
    // Latin 1 has one character for each byte: what was printed stays as it is.
    const text = chunk.toString('latin1');
    const start = atLineStart ? stamp : '';
    atLineStart = text.endsWith('\n');
    return Buffer.from(`${start}${text.replaceAll(/\n(?!$)/g, `\n${stamp}`)}`, 'latin1');
  }

  async function writeBatch(): Promise<void> {
    size ??= await existingSize(file);
    if (droppedBytes > 0) pending.push(Buffer.from(`\n[${droppedBytes} bytes were dropped]\n`));
    // A piece is never larger than half the bound, so both files together keep to it.
    const batch = Buffer.concat(pending).subarray(-Math.max(1, Math.floor(maxBytes / 2)));
    pending = [];
    pendingBytes = 0;
    droppedBytes = 0;
    if (size > 0 && size + batch.length > maxBytes / 2) {
      await rename(file, `${file}.1`);
      size = 0;
    }
    await appendFile(file, batch, { mode: 0o600 });
    size += batch.length;
    for (const listener of listeners) listener.piece(batch);
  }

  async function work(): Promise<void> {
    for (;;) {
      const reading = readings.shift();
      if (reading !== undefined) await reading();
      else if (pending.length > 0) await writeBatch();
      else return;
    }
  }

  function start(): void {
    pump ??= work()
      .catch((error: unknown) => {
        pending = [];
        pendingBytes = 0;
        logger.warn({ err: error, file }, 'cannot write the output of a function');
      })
      .finally(() => {
        pump = undefined;
        if (pending.length > 0 || readings.length > 0) start();
      });
  }

  return {
    write(chunk) {
      const line = stamped(chunk);
      if (pendingBytes + line.length > maxPendingBytes) {
        droppedBytes += chunk.length;
        atLineStart = true;
        return;
      }
      pending.push(line);
      pendingBytes += line.length;
      start();
    },
    async written() {
      while (pump !== undefined) await pump;
    },
    follow(tailBytes, listener) {
      const { promise, resolve, reject } = Promise.withResolvers<FollowedOutput>();
      const read = async () => {
        const kept = await newestBytes(file, tailBytes);
        listeners.add(listener);
        resolve({ kept, [Symbol.dispose]: () => void listeners.delete(listener) });
      };
      readings.push(() => read().catch(reject));
      start();
      return promise;
    },
    end() {
      for (const listener of listeners) listener.end();
      listeners.clear();
    },
  };
}

async function newestBytes(file: string, maxBytes: number): Promise<Buffer> {
  const newer = await lastBytes(file, maxBytes);
  const older = await lastBytes(`${file}.1`, maxBytes - newer.length);
  const bytes = Buffer.concat([older, newer]);
  return bytes.length < maxBytes ? bytes : bytes.subarray(bytes.indexOf('\n') + 1);
}

async function lastBytes(file: string, maxBytes: number): Promise<Buffer> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

async function existingSize(file: string): Promise<number> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
