import { chmodSync, closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite';
import { makeFolder } from './make-folder.ts';

/** Beside the file itself; SQLite makes them with its mode. */
const companions = ['-wal', '-shm', '-journal'];

/** Opens or makes a SQLite file that nobody but its owner can read, and its folder if that is missing. */
export function openPrivateDatabase(path: string, options: DatabaseSyncOptions = {}): DatabaseSync {
  if (path === ':memory:') return new DatabaseSync(path, options);
  makeFolder(dirname(path));
  // Before anything is in it.
  closeSync(openSync(path, 'a', 0o600));
  for (const ending of ['', ...companions]) narrow(`${path}${ending}`);
  return new DatabaseSync(path, options);
}

function narrow(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
