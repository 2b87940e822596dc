import type { DeployIntent, PendingRemoval, RemoveIntent, WriteOutcome } from '../../core/manifest-writer.ts';
import { openPrivateDatabase } from '../../runtime/private-database.ts';
import type { WaitingDeploy, WaitingStore } from './waiting-store.ts';

const schema = `
create table if not exists deploys (
  path text primary key, source_commit text not null, base text not null, intent text not null
) strict;
create table if not exists replaced (path text not null, source_commit text not null, primary key (path, source_commit)) strict;
create table if not exists ended (
  seq integer primary key, path text not null, build text not null, outcome text not null, unique (path, build)
) strict;
create table if not exists large_removals (
  id text primary key, owner_id text not null, asked_at integer not null, rejected integer not null,
  removal text not null, intent text not null
) strict;
create index if not exists large_removals_by_owner on large_removals (owner_id, asked_at);
`;
/** Source commits remembered of one held function. */
const maxReplaced = 200;
/** Ends kept of deploys that waited: whoever deployed them asks soon after. */
const maxEnded = 2000;
/** Per owner, so that nobody's questions take another's away; the oldest go first. */
const maxRemovals = 100;

export interface EndedDeploy {
  path: string;
  intent: DeployIntent;
}

/** `onEnded` is told after the end is on disk; it must not throw. */
export function openWaitingStore(
  path: string,
  onEnded: (ended: EndedDeploy) => void = () => {},
): WaitingStore {
  // Deploys carry functions' environments.
  const database = openPrivateDatabase(path);
  database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000');
  database.exec(schema);
  const sql = (text: string) => database.prepare(text);
  const statements = {
    put: sql('insert or replace into deploys (path, source_commit, base, intent) values (?, ?, ?, ?)'),
    remember: sql(
      'insert or ignore into replaced select path, source_commit from deploys where path = ? and source_commit <> ?',
    ),
    forget: sql(`delete from replaced where path = ?1 and rowid not in
      (select rowid from replaced where path = ?1 order by rowid desc limit ${maxReplaced})`),
    unforget: sql('delete from replaced where path = ? and source_commit = ?'),
    get: sql('select base, intent from deploys where path = ?'),
    paths: sql('select path from deploys order by path'),
    replaced: sql('select 1 from replaced where path = ? and source_commit = ?'),
    drop: sql('delete from deploys where path = ?'),
    putEnded: sql('insert or ignore into ended (path, build, outcome) values (?, ?, ?)'),
    trimEnded: sql(`delete from ended where seq <= (select max(seq) from ended) - ${maxEnded}`),
    ended: sql('select outcome from ended where path = ? and build = ?'),
    unend: sql('delete from ended where path = ? and build = ?'),
    dropReplaced: sql('delete from replaced where path = ?'),
    putRemoval:
      sql(`insert into large_removals (id, owner_id, asked_at, rejected, removal, intent) values (?, ?, ?, 0, ?, ?)
      on conflict (id) do update set removal = excluded.removal, intent = excluded.intent`),
    trimRemovals: sql(`delete from large_removals where owner_id = ?1 and id not in
      (select id from large_removals where owner_id = ?1 order by asked_at desc, id limit ${maxRemovals})`),
    removal: sql('select rejected, removal, intent from large_removals where id = ?'),
    removals: sql(
      'select rejected, removal, intent from large_removals where owner_id = ?1 or ?1 is null order by asked_at, id',
    ),
    reject: sql('update large_removals set rejected = 1 where id = ?'),
    dropRemoval: sql('delete from large_removals where id = ?'),
  };

  function transaction(work: () => void): void {
    database.exec('begin immediate');
    try {
      work();
      database.exec('commit');
    } catch (error) {
      if (database.isTransaction) database.exec('rollback');
      throw error;
    }
  }

  function deploy(file: string): WaitingDeploy | undefined {
    const row = statements.get.get(file) as { base: string; intent: string } | undefined;
    return row && { path: file, base: row.base, intent: JSON.parse(row.intent) as DeployIntent };
  }

  function putEnded(file: string, buildId: string, outcome: WriteOutcome): void {
    statements.putEnded.run(file, buildId, JSON.stringify(outcome));
    statements.trimEnded.run();
  }

  return {
    putDeploy({ path: file, intent, base }) {
      const { sourceCommit } = intent.provenance;
      const known = deploy(file);
      const replaced = known?.intent.buildId === intent.buildId ? undefined : known;
      transaction(() => {
        statements.remember.run(file, sourceCommit);
        statements.unforget.run(file, sourceCommit);
        statements.put.run(file, sourceCommit, base, JSON.stringify(intent));
        statements.forget.run(file);
        statements.unend.run(file, intent.buildId);
        if (replaced) putEnded(file, replaced.intent.buildId, replacedBy(sourceCommit));
      });
      if (replaced) onEnded(replaced);
    },
    deploy,
    deployPaths: () => (statements.paths.all() as { path: string }[]).map((row) => row.path),
    isReplaced: (file, sourceCommit) => statements.replaced.get(file, sourceCommit) !== undefined,
    endDeploy(file, buildId, outcome) {
      const waits = deploy(file);
      // A newer one that began to wait meanwhile waits on.
      if (waits?.intent.buildId !== buildId) return;
      transaction(() => {
        statements.drop.run(file);
        statements.dropReplaced.run(file);
        putEnded(file, buildId, outcome);
      });
      onEnded(waits);
    },
    supersedeDeploy(file, buildId, sourceCommit) {
      const waits = deploy(file);
      if (waits?.intent.buildId !== buildId) return;
      const reason = `the newer ${sourceCommit.slice(0, 7)} asks for what is live already`;
      transaction(() => {
        statements.remember.run(file, sourceCommit);
        statements.drop.run(file);
        statements.forget.run(file);
        putEnded(file, buildId, { type: 'skipped', reason });
      });
      onEnded(waits);
    },
    ended(file, buildId) {
      const row = statements.ended.get(file, buildId) as { outcome: string } | undefined;
      return row && (JSON.parse(row.outcome) as WriteOutcome);
    },
    putRemoval(removal, intent) {
      const { id, ownerId, askedAt } = removal;
      statements.putRemoval.run(id, ownerId, askedAt, JSON.stringify(removal), JSON.stringify(intent));
      statements.trimRemovals.run(ownerId);
    },
    removal(id) {
      const row = statements.removal.get(id) as unknown as RemovalRow | undefined;
      return row && { removal: toRemoval(row), intent: JSON.parse(row.intent) as RemoveIntent };
    },
    removals(ownerId) {
      return (statements.removals.all(ownerId ?? null) as unknown as RemovalRow[]).map(toRemoval);
    },
    rejectRemoval: (id) => void statements.reject.run(id),
    dropRemoval: (id) => void statements.dropRemoval.run(id),
    [Symbol.dispose]() {
      if (database.isOpen) database.close();
    },
  };
}

function replacedBy(sourceCommit: string): WriteOutcome {
  return { type: 'skipped', reason: `the newer ${sourceCommit.slice(0, 7)} waits in its place` };
}

interface RemovalRow {
  rejected: number;
  removal: string;
  intent: string;
}

function toRemoval(row: RemovalRow): PendingRemoval {
  const removal = JSON.parse(row.removal) as PendingRemoval;
  return { ...removal, state: row.rejected === 1 ? 'rejected' : 'waiting' };
}
