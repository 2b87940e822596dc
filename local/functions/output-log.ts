import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../../runtime/logger.ts';

/** What a function prints, in a file and one older file beside it (`.1`): together at most `maxBytes`. */
export interface OutputLog {
  /** Never blocks the function: what the disk cannot take in time is dropped, and the log says so. */
  write(chunk: Buffer): void;
  /** Resolves when everything taken so far is on disk. */
  written(): Promise<void>;
}

const maxPendingBytes = 1_048_576;

export function createOutputLog(file: string, maxBytes: number, logger: Logger): OutputLog {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let droppedBytes = 0;
  let size: number | undefined;
  let pump: Promise<void> | undefined;

  async function flush(): Promise<void> {
    size ??= await existingSize(file);
    while (pending.length > 0) {
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
    }
  }

  return {
    write(chunk) {
      if (pendingBytes + chunk.length > maxPendingBytes) {
        droppedBytes += chunk.length;
        return;
      }
      pending.push(chunk);
      pendingBytes += chunk.length;
      pump ??= flush()
        .catch((error: unknown) => {
          pending = [];
          pendingBytes = 0;
          logger.warn({ err: error, file }, 'cannot write the output of a function');
        })
        .finally(() => {
          pump = undefined;
        });
    },
    async written() {
      await pump;
    },
  };
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
