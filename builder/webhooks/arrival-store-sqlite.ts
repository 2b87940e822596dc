import type { DatabaseSync } from 'node:sqlite';
import { TowlineError } from '../../core/errors.ts';
import { createGroupCommit } from '../deliveries/group-commit.ts';
import type { ArrivalStore, StoredArrival } from './arrival-store.ts';
import { GitLabArrival } from './gitlab-arrival.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS gitlab_arrivals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    arrival TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS gitlab_arrivals_by_project ON gitlab_arrivals (project, seq);
`;

const defaultLimit = 100_000;

/** The connection must be in WAL mode with `synchronous = FULL`. One that can't be read is removed and told of. */
export function createSqliteArrivalStore(
  database: DatabaseSync,
  onUnreadable: (id: string, error: unknown) => void,
  limit = defaultLimit,
): ArrivalStore {
  database.exec(schema);
  const group = createGroupCommit(database);
  const count = database.prepare('SELECT COUNT(*) AS count FROM gitlab_arrivals');
  const insert = database.prepare(
    'INSERT INTO gitlab_arrivals (id, project, arrival, at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
  );
  const oldest = database.prepare(
    `SELECT id, arrival, at FROM gitlab_arrivals
     WHERE seq IN (SELECT MIN(seq) FROM gitlab_arrivals GROUP BY project) ORDER BY seq LIMIT ?`,
  );
  const remove = database.prepare('DELETE FROM gitlab_arrivals WHERE id = ?');
  let waiting = Number(count.get()?.['count']);

  function read(row: Record<string, unknown>): StoredArrival[] {
    try {
      return [{ arrival: GitLabArrival.parse(JSON.parse(String(row['arrival']))), at: Number(row['at']) }];
    } catch (error) {
      const id = String(row['id']);
      onUnreadable(id, error);
      waiting -= Number(remove.run(id).changes);
      return [];
    }
  }

  return {
    add: (arrival, at) =>
      group.run(() => {
        if (waiting >= limit) throw new TowlineError('unavailable', 'too many events wait for GitLab');
        waiting += Number(insert.run(arrival.id, arrival.projectId, JSON.stringify(arrival), at).changes);
      }),
    oldest: (max) => oldest.all(max).flatMap(read),
    remove(id) {
      waiting -= Number(remove.run(id).changes);
    },
  };
}
