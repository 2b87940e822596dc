import type { DatabaseSync } from 'node:sqlite';
import { Person, SourceEvent } from '../../core/source-event.ts';
import {
  type AppendResult,
  type Delivery,
  type DeliveryLog,
  type DeliveryOrigin,
  knownOf,
  laneKey,
  repositoryKey,
} from './delivery-log.ts';
import { createGroupCommit } from './group-commit.ts';
import { createRowReader } from './readable-rows.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    repository TEXT NOT NULL,
    ref TEXT NOT NULL,
    before_commit TEXT NOT NULL,
    after_commit TEXT NOT NULL,
    origin TEXT NOT NULL,
    event TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    forced INTEGER NOT NULL DEFAULT 0,
    cancelled_by TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS deliveries_by_ref ON deliveries (repository, ref, seq);
  CREATE INDEX IF NOT EXISTS deliveries_by_content ON deliveries (repository, ref, before_commit, after_commit);
  CREATE INDEX IF NOT EXISTS deliveries_pending ON deliveries (seq) WHERE done = 0;
`;

/** Of databases that were made before there were such. */
const laterColumns = { forced: 'INTEGER NOT NULL DEFAULT 0', cancelled_by: 'TEXT' };

function addColumns(database: DatabaseSync): void {
  const known = database.prepare('PRAGMA table_info(deliveries)').all();
  const names = new Set(known.map((column) => column['name']));
  for (const [name, type] of Object.entries(laterColumns)) {
    if (!names.has(name)) database.exec(`ALTER TABLE deliveries ADD COLUMN ${name} ${type}`);
  }
}

/** At once: what a former run left may be much. */
const maxTaken = 200;

type Row = Record<string, unknown>;

function toDelivery(row: Row): Delivery {
  return {
    seq: Number(row['seq']),
    event: SourceEvent.parse(JSON.parse(String(row['event']))),
    origin: String(row['origin']) as DeliveryOrigin,
    receivedAt: Number(row['received_at']),
    ...(row['forced'] === 1 ? { isForced: true } : {}),
    ...(row['cancelled_by'] === null
      ? {}
      : { cancelledBy: Person.parse(JSON.parse(String(row['cancelled_by']))) }),
  };
}

/** What a repository's deliveries are compared with starts afresh after its deletion, the only event without a ref. */
const sinceDeletion = `seq > (SELECT COALESCE(MAX(seq), 0) FROM deliveries WHERE repository = ?1 AND ref = '')`;

/**
 * The connection must be in WAL mode with `synchronous = FULL`: see `openDatabase`. An event that this version can't
 * read, as after a downgrade, is told to `onUnreadable` and left out.
 */
export function createSqliteDeliveryLog(
  database: DatabaseSync,
  onUnreadable: (id: string, error: unknown) => void = () => {},
): DeliveryLog {
  database.exec(schema);
  addColumns(database);
  const group = createGroupCommit(database);

  const { one: readable, all: readables } = createRowReader<Row>(toDelivery, onUnreadable);
  const byId = database.prepare('SELECT * FROM deliveries WHERE id = ?');
  const byContent = database.prepare(
    `SELECT id, origin, done FROM deliveries WHERE repository = ?1 AND ref = ?2 AND before_commit = ?3
     AND after_commit = ?4 AND origin <> 'rebuild' AND ${sinceDeletion} ORDER BY seq DESC LIMIT 1`,
  );
  const newestOfRef = database.prepare(
    `SELECT * FROM deliveries WHERE repository = ?1 AND ref = ?2 AND origin <> 'rebuild' AND ${sinceDeletion}
     ORDER BY seq DESC LIMIT ?3`,
  );
  const insert = database.prepare(
    `INSERT INTO deliveries (id, repository, ref, before_commit, after_commit, origin, event, received_at, forced)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const pending = database.prepare('SELECT * FROM deliveries WHERE done = 0 ORDER BY seq');
  const pendingAfter = database.prepare(
    'SELECT * FROM deliveries WHERE done = 0 AND seq > ? ORDER BY seq LIMIT ?',
  );
  let taken = 0;
  const setDone = database.prepare('UPDATE deliveries SET done = 1 WHERE id = ?');
  const cancel = database.prepare(
    'UPDATE deliveries SET cancelled_by = ? WHERE id = ? AND cancelled_by IS NULL',
  );
  const newestOfLane = database.prepare(
    'SELECT * FROM deliveries WHERE repository = ? ORDER BY seq DESC LIMIT ?',
  );
  const newestOfEach = database.prepare(
    `SELECT * FROM deliveries WHERE ref <> '' AND repository NOT LIKE 'image:%'
     AND seq IN (SELECT MAX(seq) FROM deliveries GROUP BY repository) ORDER BY seq`,
  );
  const last = database.prepare('SELECT MAX(seq) AS seq FROM deliveries');
  const prune = database.prepare(
    `DELETE FROM deliveries WHERE done = 1 AND repository = ?1 AND seq <=
       (SELECT seq FROM deliveries WHERE repository = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
  );

  function duplicateOf(entry: Omit<Delivery, 'seq'>): string | undefined {
    const { event } = entry;
    if (byId.get(event.id)) return event.id;
    if (entry.origin !== 'hook' || event.type !== 'push') return undefined;
    const key = repositoryKey(event.scm, event.repository);
    const same = byContent.get(key, event.ref, event.before, event.after);
    if (!same || (same['origin'] === 'recovered' && same['done'] === 0)) return undefined;
    const newest = newestOfRef.get(key, event.ref, 1);
    return newest?.['after_commit'] === event.before ? undefined : String(same['id']);
  }

  function appendNow(entry: Omit<Delivery, 'seq'>): AppendResult {
    const duplicate = duplicateOf(entry);
    if (duplicate !== undefined) return { type: 'duplicate', id: duplicate };
    const { event, origin, receivedAt } = entry;
    const [ref, before, after] =
      event.type === 'repository-deleted' ? ['', '', ''] : [event.ref, event.before, event.after];
    const { lastInsertRowid } = insert.run(
      event.id,
      laneKey(event),
      ref,
      before,
      after,
      origin,
      JSON.stringify(event),
      receivedAt,
      entry.isForced ? 1 : 0,
    );
    return { type: 'accepted', delivery: { ...entry, seq: Number(lastInsertRowid) } };
  }

  return {
    append: (entry) => group.run(() => appendNow(entry)),
    async take() {
      for (;;) {
        const rows = pendingAfter.all(taken, maxTaken);
        taken = Math.max(taken, ...rows.map((row) => Number(row['seq'])));
        const found = readables(rows);
        // Nothing says that there is nothing more.
        if (found.length > 0 || rows.length === 0) return found;
      }
    },
    pending: async () => readables(pending.all()),
    done: (id) => group.run(() => void setDone.run(id)),
    cancel: async (id, by) => cancel.run(JSON.stringify(by), id).changes > 0,
    find: async (id) => readable(byId.get(id)),
    ofRef: async ({ repository, scm, ref }, limit) =>
      readables(newestOfRef.all(repositoryKey(scm, repository), ref, limit)),
    recent: async (event, limit) => readables(newestOfLane.all(laneKey(event), limit)),
    repositories: async () => readables(newestOfEach.all()).map(({ event }) => knownOf(event)),
    lastSeq: async () => Number(last.get()?.['seq'] ?? 0),
    prune: async (event, keep) => void prune.run(laneKey(event), keep),
  };
}
