import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildLogStore, beyondRetention, type StoredLog } from './build-log-store.ts';
import { readLines } from './log-file.ts';
import { type OpenLog, openLog } from './open-log.ts';

export interface FileLogStoreOptions {
  dir: string;
  /** Bytes of output kept per push. */
  maxBytes: number;
  onError: (error: unknown) => void;
}

export const logExtension = '.ndjson';
const plainName = /^[a-z0-9][a-z0-9_-]{0,79}$/;

/** Ids come from forges: what is not plainly a file name is hashed. */
export function logFileName(pushId: string): string {
  const name = plainName.test(pushId)
    ? pushId
    : `~${createHash('sha256').update(pushId).digest('hex').slice(0, 40)}`;
  return name + logExtension;
}

/** One NDJSON file per push. */
export function createFileLogStore(options: FileLogStoreOptions): BuildLogStore {
  const { dir, maxBytes, onError } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const opened = new Map<string, OpenLog>();
  const pathOf = (pushId: string) => join(dir, logFileName(pushId));

  async function* readClosed(pushId: string, after: number, signal: AbortSignal) {
    for await (const { line } of readLines(pathOf(pushId), 0, Number.POSITIVE_INFINITY)) {
      if (signal.aborted) return;
      if (line.n > after) yield line;
    }
  }

  async function close(pushId: string): Promise<void> {
    const log = opened.get(pushId);
    if (!log) return;
    await log.close();
    opened.delete(pushId);
  }

  /** Those that are not open. */
  async function stored(): Promise<StoredLog[]> {
    const openNames = new Set([...opened.keys()].map(logFileName));
    const logs: StoredLog[] = [];
    for (const name of await readdir(dir)) {
      if (!name.endsWith(logExtension) || openNames.has(name)) continue;
      // It may be removed for another reason meanwhile.
      const found = await stat(join(dir, name)).catch(() => undefined);
      if (found) logs.push({ name, bytes: found.size, writtenAt: found.mtimeMs });
    }
    return logs;
  }

  return {
    open(pushId) {
      if (!opened.has(pushId)) opened.set(pushId, openLog({ path: pathOf(pushId), maxBytes, onError }));
    },
    append: (pushId, line) => opened.get(pushId)?.append(line),
    close,
    read: (pushId, after, signal) =>
      opened.get(pushId)?.read(after, signal) ?? readClosed(pushId, after, signal),
    async remove(pushId) {
      await close(pushId);
      await rm(pathOf(pushId), { force: true });
    },
    async retain(limits) {
      for (const { name } of beyondRetention(await stored(), limits)) {
        await rm(join(dir, name), { force: true });
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...opened.keys()].map(close));
    },
  };
}
