import type { DatabaseSync } from 'node:sqlite';
import { InstallationEvent } from '../../core/forge-events.ts';
import { PushEvent, RepositoryDeletedEvent } from '../../core/source-event.ts';
import type {
  InstallationStore,
  KnownInstallation,
  KnownOwner,
  ServedRepository,
} from './installation-store.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS forge_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    handled INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX IF NOT EXISTS forge_events_waiting ON forge_events (seq) WHERE handled = 0;
  CREATE TABLE IF NOT EXISTS forge_owners (
    scm TEXT NOT NULL, id TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
    PRIMARY KEY (scm, id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS forge_repositories (
    scm TEXT NOT NULL, id TEXT NOT NULL, owner_id TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (scm, id), UNIQUE (scm, owner_id, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS forge_departures (
    event_id TEXT PRIMARY KEY, scm TEXT NOT NULL, repository_id TEXT NOT NULL, owner_id TEXT NOT NULL,
    event TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS forge_comparisons (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, scm TEXT NOT NULL, repository_id TEXT NOT NULL,
    owner TEXT NOT NULL, lane TEXT NOT NULL, known TEXT NOT NULL, UNIQUE (scm, repository_id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS forge_installations (
    id INTEGER PRIMARY KEY, account_id TEXT NOT NULL, state TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS forge_installations_by_account ON forge_installations (account_id, id);
  CREATE TABLE IF NOT EXISTS forge_marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`;

/** Handled events are kept to know a redelivery by. */
const keptEvents = 20_000;

type Row = Record<string, unknown>;

const KnownRecord = PushEvent.pick({ scm: true, repository: true, installationId: true });

/** The connection must be in WAL mode with `synchronous = FULL`: see `openDatabase`. */
export function createSqliteInstallationStore(
  database: DatabaseSync,
  onUnreadable: (id: string, error: unknown) => void = () => {},
): InstallationStore {
  database.exec(schema);
  const put = database.prepare(
    'INSERT INTO forge_events (id, event) VALUES (?, ?) ON CONFLICT (id) DO NOTHING',
  );
  const waiting = database.prepare('SELECT id, event FROM forge_events WHERE handled = 0 ORDER BY seq');
  const handled = database.prepare('UPDATE forge_events SET handled = 1 WHERE id = ?');
  const prune = database.prepare(
    'DELETE FROM forge_events WHERE handled = 1 AND seq <= (SELECT MAX(seq) FROM forge_events) - ?',
  );
  const owner = database.prepare('SELECT * FROM forge_owners WHERE scm = ? AND id = ?');
  const putOwner = database.prepare(
    `INSERT INTO forge_owners (scm, id, slug, path) VALUES (?, ?, ?, ?)
     ON CONFLICT (scm, id) DO UPDATE SET path = excluded.path ON CONFLICT (slug) DO NOTHING`,
  );
  const repository = database.prepare('SELECT record FROM forge_repositories WHERE scm = ? AND id = ?');
  const putRepository = database.prepare(
    `INSERT INTO forge_repositories (scm, id, owner_id, name, record) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (scm, id) DO UPDATE SET owner_id = ?3, name = ?4, record = ?5
     ON CONFLICT (scm, owner_id, name) DO NOTHING`,
  );
  const nameTaken = database.prepare(
    'SELECT 1 FROM forge_repositories WHERE scm = ? AND owner_id = ? AND name = ? AND id <> ?',
  );
  const putDeparture = database.prepare(
    'INSERT INTO forge_departures (event_id, scm, repository_id, owner_id, event) VALUES (?, ?, ?, ?, ?)',
  );
  const returned = database.prepare(
    'DELETE FROM forge_departures WHERE scm = ? AND repository_id = ? AND owner_id = ?',
  );
  const departures = database.prepare(
    `SELECT event_id AS id, event FROM forge_departures
     WHERE (?1 IS NULL OR scm = ?1) AND (?2 IS NULL OR repository_id = ?2) ORDER BY rowid`,
  );
  const forgetDeparture = database.prepare('DELETE FROM forge_departures WHERE event_id = ?');
  const forget = database.prepare('DELETE FROM forge_repositories WHERE scm = ? AND id = ?');
  const putComparison = database.prepare(
    'INSERT OR REPLACE INTO forge_comparisons (scm, repository_id, owner, lane, known) VALUES (?, ?, ?, ?, ?)',
  );
  const comparisons = database.prepare('SELECT seq, owner, lane FROM forge_comparisons ORDER BY seq');
  const comparison = database.prepare(
    'SELECT seq AS id, known AS event FROM forge_comparisons WHERE seq = ?',
  );
  const compared = database.prepare('DELETE FROM forge_comparisons WHERE seq = ?');
  const forgetComparison = database.prepare(
    'DELETE FROM forge_comparisons WHERE scm = ? AND repository_id = ?',
  );
  const allRepositories = database.prepare(
    `SELECT record FROM forge_repositories WHERE (?1 IS NULL OR scm = ?1) AND (?2 IS NULL OR owner_id = ?2)
     ORDER BY rowid`,
  );
  const installation = database.prepare('SELECT * FROM forge_installations WHERE id = ?');
  const newest = database.prepare(
    'SELECT * FROM forge_installations WHERE account_id = ? ORDER BY id DESC LIMIT 1',
  );
  const putInstallation = database.prepare(
    `INSERT INTO forge_installations (id, account_id, state) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, state = excluded.state`,
  );
  const mark = database.prepare('SELECT value FROM forge_marks WHERE name = ?');
  const setMark = database.prepare(
    'INSERT INTO forge_marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );

  const toRepository = (row: Row) => JSON.parse(String(row['record'])) as ServedRepository;
  const toInstallation = (row: Row | undefined): KnownInstallation | undefined =>
    row && {
      id: String(row['id']),
      accountId: String(row['account_id']),
      state: String(row['state']) as KnownInstallation['state'],
    };

  const readAs =
    <T>(schemaOf: { parse(value: unknown): T }) =>
    ({ id, event }: Row): T[] => {
      try {
        return [schemaOf.parse(JSON.parse(String(event)))];
      } catch (error) {
        onUnreadable(String(id), error);
        return [];
      }
    };

  /** All or nothing: nobody else uses the connection meanwhile, since nothing in here waits. */
  function atOnce(work: () => boolean): boolean {
    database.exec('BEGIN IMMEDIATE');
    try {
      const isDone = work();
      database.exec(isDone ? 'COMMIT' : 'ROLLBACK');
      return isDone;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  return {
    put(event) {
      put.run(event.id, JSON.stringify(event));
      prune.run(keptEvents);
    },
    waiting: () => waiting.all().flatMap(readAs(InstallationEvent)),
    handled: (id) => void handled.run(id),
    owner: (scm, id) => owner.get(scm, id) as unknown as KnownOwner | undefined,
    putOwner({ scm, id, slug, path }) {
      return putOwner.run(scm, id, slug, path).changes > 0;
    },
    repository(scm, id) {
      const row = repository.get(scm, id);
      return row && toRepository(row);
    },
    putRepository(record, departure) {
      const { scm, id, ownerId, name } = record;
      const put = () =>
        nameTaken.get(scm, ownerId, name, id) === undefined &&
        putRepository.run(scm, id, ownerId, name, JSON.stringify(record)).changes > 0;
      if (!departure) return put();
      return atOnce(() => {
        if (!put()) return false;
        returned.run(scm, id, ownerId);
        const formerOwner = departure.repository.ownerId;
        putDeparture.run(departure.id, scm, id, formerOwner, JSON.stringify(departure));
        return true;
      });
    },
    departures: (of) =>
      departures.all(of?.scm ?? null, of?.id ?? null).flatMap(readAs(RepositoryDeletedEvent)),
    forgetDeparture: (eventId) => void forgetDeparture.run(eventId),
    forgetRepository(scm, id) {
      forget.run(scm, id);
      forgetComparison.run(scm, id);
    },
    toCompare(marks) {
      atOnce(() => {
        for (const { known, owner, lane } of marks) {
          putComparison.run(known.scm, known.repository.id, owner, lane, JSON.stringify(known));
        }
        return true;
      });
    },
    comparisons: () =>
      comparisons.all().map(({ seq, owner, lane }) => {
        return { seq: Number(seq), owner: String(owner), lane: String(lane) };
      }),
    comparison: (seq) => comparison.all(seq).flatMap(readAs(KnownRecord))[0],
    compared: (seq) => void compared.run(seq),
    repositories: (of) => allRepositories.all(of?.scm ?? null, of?.ownerId ?? null).map(toRepository),
    installation: (id) => toInstallation(installation.get(id)),
    newestInstallation: (accountId) => toInstallation(newest.get(accountId)),
    putInstallation: ({ id, accountId, state }) => void putInstallation.run(id, accountId, state),
    mark(name) {
      const row = mark.get(name);
      return row && Number(row['value']);
    },
    setMark: (name, value) => void setMark.run(name, value),
  };
}
