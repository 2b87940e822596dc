import { accessSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TowlineError } from '../core/errors.ts';

/** Where everything of one machine lies; the table in ARCHITECTURE.md explains each. */
export interface DataFolder extends Disposable {
  path: string;
  at(...segments: string[]): string;
  /** Tells the CLI, and a second start, where this one answers. */
  announce(origin: string): void;
}

interface Running {
  pid: number;
  origin: string;
}

function readRunning(path: string): Running | undefined {
  try {
    return JSON.parse(readFileSync(join(path, 'running.json'), 'utf8')) as Running;
  } catch {
    return undefined;
  }
}

/** An exclusive SQLite transaction is a lock that the operating system drops when the process dies, however it dies. */
function lock(path: string): DatabaseSync {
  const database = new DatabaseSync(join(path, 'lock.db'));
  try {
    database.exec(
      'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS lock (id INTEGER);',
    );
    return database;
  } catch (cause) {
    database.close();
    const running = readRunning(path);
    const where = running ? ` (process ${running.pid}, ${running.origin})` : '';
    throw new TowlineError(
      'data_folder_unusable',
      `Towline already runs with the data folder ${path}${where}`,
      {
        cause,
        hint: 'stop it first, or set TOWLINE_DATA to another folder',
      },
    );
  }
}

/** Makes the folder if it is absent, checks that it can be written, and holds it until disposed of. */
export function openDataFolder(path: string): DataFolder {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    mkdirSync(join(path, 'work'), { recursive: true });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new TowlineError('data_folder_unusable', `the data folder ${path} cannot be written (${reason})`, {
      cause,
      hint: 'set TOWLINE_DATA to a folder of yours',
    });
  }
  const database = lock(path);
  const runningFile = join(path, 'running.json');
  return {
    path,
    at: (...segments) => join(path, ...segments),
    announce(origin) {
      writeFileSync(runningFile, `${JSON.stringify({ pid: process.pid, origin })}\n`, { mode: 0o600 });
    },
    [Symbol.dispose]() {
      rmSync(runningFile, { force: true });
      database.close();
    },
  };
}
