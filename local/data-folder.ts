import { accessSync, constants, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TowlineError } from '../core/errors.ts';
import { writeFileAtomically } from '../runtime/atomic-file.ts';
import { makeFolder } from '../runtime/make-folder.ts';

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

const sqliteBusy = 5;

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
    const { errcode } = cause as { errcode?: number };
    if (errcode !== sqliteBusy) throw cause;
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

function lockOrExplain(path: string): DatabaseSync {
  try {
    return lock(path);
  } catch (cause) {
    if (cause instanceof TowlineError) throw cause;
    throw new TowlineError(
      'data_folder_unusable',
      `the data folder ${path} cannot be locked: ${(cause as Error).message}`,
      {
        cause,
        hint: 'is its disk full, or lock.db in it damaged?',
      },
    );
  }
}

/** Makes the folder if it is absent, checks that it can be written, and holds it until disposed of. */
export function openDataFolder(path: string): DataFolder {
  try {
    makeFolder(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    mkdirSync(join(path, 'work'), { recursive: true });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new TowlineError('data_folder_unusable', `the data folder ${path} cannot be written (${reason})`, {
      cause,
      hint: 'set TOWLINE_DATA to a folder of yours',
    });
  }
  const database = lockOrExplain(path);
  const runningFile = join(path, 'running.json');
  return {
    path,
    at: (...segments) => join(path, ...segments),
    announce(origin) {
      writeFileAtomically(runningFile, `${JSON.stringify({ pid: process.pid, origin })}\n`);
    },
    [Symbol.dispose]() {
      rmSync(runningFile, { force: true });
      database.close();
    },
  };
}
