import type { DatabaseSync } from 'node:sqlite';
import { openPrivateDatabase } from '../../runtime/private-database.ts';

/**
 * `FULL` syncs each commit to the disk: for what was acknowledged. `NORMAL` keeps commits through the death of the process,
 * though perhaps not through a power cut: for what can be found again from what is `FULL`. It is for its owner alone:
 * builds carry environments.
 */
export function openDatabase(path: string, durability: 'FULL' | 'NORMAL'): DatabaseSync {
  const database = openPrivateDatabase(path, { timeout: 5000 });
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability};`);
  return database;
}
