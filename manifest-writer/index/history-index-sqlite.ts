import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { TowlineError } from '../../core/errors.ts';
import {
  DamagedCopyError,
  type LoggedCommit,
  type MainlineCommit,
  type ManifestRepository,
  type NewCommit,
} from '../repository/manifest-repository.ts';
import { createHistoryQueries } from './branch-history-sqlite.ts';
import type { BranchHistory, HistoryIndex } from './history-index.ts';
import { openIndexDatabase, removeIndexDatabase } from './index-tables.ts';
import { loggedCommit } from './logged-commit.ts';
import { createCommitRecorder } from './record-commit.ts';

export type IndexedRepository = Pick<ManifestRepository, 'mainline' | 'mainlineIds' | 'aside' | 'parentOf'>;

export interface HistoryIndexConfig {
  /** Of the database file; its folder exists. It can be deleted whenever no writer runs, and even while one does. */
  path: string;
  repository: IndexedRepository;
  /** Told why a broken index is made anew. */
  onRebuild?: ((cause: Error) => void) | undefined;
}

/** A killed process reads again at most so many commits. */
const commitsPerTransaction = 2000;

/** Opens or makes the index. Nothing is read from git before the first question. */
export function openHistoryIndex(config: HistoryIndexConfig): HistoryIndex {
  const { repository } = config;
  let opened = openTables(config.path);
  let broken: Error | undefined;
  let closed = false;
  /** One change at a time; questions need not wait, since they are about a position. */
  let working: Promise<unknown> = Promise.resolve();

  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = working.then(work);
    working = result.catch(() => {});
    return result;
  }

  /** Questions are asked long after `at`: a database that fails then is made anew at the next `at`. */
  function reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      broken = asError(error);
      throw new DamagedCopyError('the index of the history cannot be read', { cause: error });
    }
  }

  function makeAnew(cause: Error): void {
    config.onRebuild?.(cause);
    closeQuietly(opened.database);
    removeIndexDatabase(config.path);
    opened = openTables(config.path);
    broken = undefined;
  }

  async function positionAt(head: string): Promise<number> {
    if (closed) throw new TowlineError('unavailable', 'the manifest-writer is stopping');
    if (broken) makeAnew(broken);
    try {
      return await opened.advance(head, repository);
    } catch (error) {
      if (!isDatabaseError(error)) throw error;
      makeAnew(error);
      return await opened.advance(head, repository);
    }
  }

  return {
    at: (head) =>
      alone(async (): Promise<BranchHistory> => {
        const position = await positionAt(head);
        return opened.historyAt(position, reading);
      }),
    extend: (parent, commits) =>
      alone(async () => {
        if (closed || broken) return;
        try {
          opened.extend(parent, commits);
        } catch (error) {
          broken = asError(error);
        }
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      await working;
      closeQuietly(opened.database);
    },
  };
}

function openTables(path: string) {
  const database = openIndexDatabase(path);
  const recorder = createCommitRecorder(database);
  const historyAt = createHistoryQueries(database);
  const readTip = database.prepare('select position, id from tip');
  const writeTip = database.prepare('update tip set position = ?, id = ?');
  const positionOf = database.prepare('select position from commits where id = ?');
  const newestBlob = database.prepare(
    `select blob_after as blob from versions where file = (select file from files where path = ?)
     order by number desc limit 1`,
  );
  let tip = storedTip();

  function storedTip(): { position: number; id: string | null } {
    const row = readTip.get() as { position: number; id: Uint8Array | null };
    return { position: row.position, id: row.id && Buffer.from(row.id).toString('hex') };
  }

  function known(commit: string): number | undefined {
    const row = positionOf.get(Buffer.from(commit, 'hex')) as { position: number } | undefined;
    return row?.position;
  }

  function moveTip(position: number, id: string | null): void {
    writeTip.run(position, id === null ? null : Buffer.from(id, 'hex'));
    tip = { position, id };
  }

  /** Everything or nothing; also the counters in memory. */
  async function transaction(work: () => void | Promise<void>): Promise<void> {
    database.exec('begin immediate');
    try {
      await work();
      database.exec('commit');
    } catch (error) {
      recorder.forget();
      // A full disk has ended the transaction already.
      if (database.isTransaction) database.exec('rollback');
      tip = storedTip();
      throw error;
    }
  }

  /** Adds what `head` has and the tip has not; `false` if the tip isn't on the first-parent history of `head`. */
  async function readOn(head: string, repository: IndexedRepository): Promise<boolean> {
    const since = tip.id;
    if (since !== null && (await repository.parentOf(since)) === undefined) return false;
    let onTop = true;
    const merges: { commit: MainlineCommit; position: number }[] = [];
    await transaction(async () => {
      await repository.mainline(head, since, (commit) => {
        onTop = (commit.parents[0] ?? null) === tip.id;
        if (!onTop) return false;
        const position = tip.position + 1;
        recorder.record(position, commit);
        moveTip(position, commit.commit);
        if (commit.parents.length > 1) merges.push({ commit, position });
        // Not if a merge is still to be looked at: a kill must not leave its other side out.
        if (position % commitsPerTransaction === 0 && merges.length === 0)
          database.exec('commit; begin immediate');
        return true;
      });
      for (const { commit, position } of merges) {
        await repository.aside(commit.commit, (one) => recorder.recordAside(position, one));
      }
    });
    return onTop && tip.id === head;
  }

  /** The newest known commit on the first-parent history of `head`; whatever came after it is gone from the branch. */
  async function goBackTo(head: string, repository: IndexedRepository): Promise<void> {
    let fork: { position: number; id: string } | undefined;
    await repository.mainlineIds(head, (id) => {
      const position = known(id);
      fork = position === undefined ? undefined : { position, id };
      return fork === undefined;
    });
    await transaction(() => {
      recorder.truncate(fork?.position ?? 0);
      moveTip(fork?.position ?? 0, fork?.id ?? null);
    });
  }

  return {
    database,
    historyAt,
    /** The position of `head`, after reading what isn't known of it yet. */
    async advance(head: string, repository: IndexedRepository): Promise<number> {
      const position = head === tip.id ? tip.position : known(head);
      if (position !== undefined) return position;
      if (await readOn(head, repository)) return tip.position;
      await goBackTo(head, repository);
      if (await readOn(head, repository)) return tip.position;
      throw new DamagedCopyError(`the history of ${head} cannot be followed`);
    },
    extend(parent: string, commits: readonly { id: string; commit: NewCommit }[]): void {
      if (tip.id !== parent) return;
      database.exec('begin immediate');
      try {
        for (const { id, commit } of commits) {
          const position = tip.position + 1;
          recorder.record(position, withChanges(loggedCommit(id, commit), commit));
          moveTip(position, id);
        }
        database.exec('commit');
      } catch (error) {
        recorder.forget();
        if (database.isTransaction) database.exec('rollback');
        tip = storedTip();
        throw error;
      }
    },
  };

  /** As git would list them: only files that became different. */
  function withChanges(commit: LoggedCommit, { changes }: NewCommit): LoggedCommit {
    const listed = changes.map(({ path, content }) => {
      const row = newestBlob.get(path) as { blob: Uint8Array | null } | undefined;
      const before = row?.blob ? Buffer.from(row.blob).toString('hex') : null;
      return { path, before, after: content === null ? null : blobId(content) };
    });
    return { ...commit, changes: listed.filter(({ before, after }) => before !== after) };
  }
}

function blobId(content: string): string {
  const bytes = Buffer.from(content, 'utf8');
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** From node:sqlite, or of an index that contradicts itself. */
function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_SQLITE_ERROR';
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function closeQuietly(database: DatabaseSync): void {
  if (database.isOpen) database.close();
}
