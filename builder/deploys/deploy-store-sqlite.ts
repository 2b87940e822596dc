import type { DatabaseSync } from 'node:sqlite';
import type { DeployRecord, DeployState, PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { DeployStore } from './deploy-store.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS pushes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    repo TEXT NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS pushes_by_owner ON pushes (owner, seq);
  CREATE INDEX IF NOT EXISTS pushes_by_repository ON pushes (owner_id, repo, seq);
  CREATE TABLE IF NOT EXISTS deploys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    push_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    function_name TEXT,
    record TEXT NOT NULL,
    environment TEXT NOT NULL DEFAULT '${defaultEnvironment}'
  ) STRICT;
  CREATE INDEX IF NOT EXISTS deploys_by_push ON deploys (push_id, seq);
  CREATE INDEX IF NOT EXISTS deploys_held ON deploys (owner, seq) WHERE json_extract(record, '$.state') = 'held';
  CREATE INDEX IF NOT EXISTS pushes_open ON pushes (seq) WHERE state <> 'done';
  CREATE INDEX IF NOT EXISTS deploys_by_function ON deploys (owner, function_name, seq);
`;

const maxPushes = 500;
const defaultPushes = 50;

/** Ends that leave nothing behind: without the newest push naming the function, they are no longer of interest. */
const dropped: ReadonlySet<DeployState> = new Set(['failed', 'held', 'superseded']);

/** To a database of before there were environments. */
function addEnvironments(database: DatabaseSync): void {
  const columns = database.prepare('PRAGMA table_info(deploys)').all();
  if (columns.some(({ name }) => name === 'environment')) return;
  database.exec(`ALTER TABLE deploys ADD COLUMN environment TEXT NOT NULL DEFAULT '${defaultEnvironment}'`);
}

/** Records are written by this adapter alone and read back as they were. */
function parse<T>(row: Record<string, unknown>): T {
  return JSON.parse(String(row['record'])) as T;
}

/** Makes its tables in the database of the delivery log; the connection may be `synchronous = NORMAL`. */
export function createSqliteDeployStore(database: DatabaseSync): DeployStore {
  database.exec(schema);
  addEnvironments(database);
  const putPush = database.prepare(
    `INSERT INTO pushes (id, owner, owner_id, repo, state, record) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, record = excluded.record`,
  );
  const putDeploy = database.prepare(
    `INSERT INTO deploys (id, push_id, owner, function_name, record, environment) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
  );
  const pushById = database.prepare('SELECT record FROM pushes WHERE id = ?');
  const pushesOfOwner = database.prepare(
    'SELECT record FROM pushes WHERE owner = ?1 AND (?2 IS NULL OR repo = ?2) ORDER BY seq DESC LIMIT ?3',
  );
  const deploysOfPush = database.prepare('SELECT record FROM deploys WHERE push_id = ? ORDER BY seq');
  const deployById = database.prepare('SELECT record FROM deploys WHERE id = ?');
  const latestOfAll = database.prepare(
    `SELECT record FROM deploys WHERE seq IN
       (SELECT MAX(seq) FROM deploys WHERE function_name IS NOT NULL AND environment = ?
        GROUP BY owner, function_name)
     ORDER BY owner, function_name`,
  );
  const latestOfOwner = database.prepare(
    `SELECT record FROM deploys WHERE seq IN
       (SELECT MAX(seq) FROM deploys WHERE owner = ? AND environment = ? AND function_name IS NOT NULL
        GROUP BY function_name)
     ORDER BY function_name`,
  );
  const ofFunction = database.prepare(
    'SELECT record FROM deploys WHERE owner = ? AND function_name = ? AND environment = ? ORDER BY seq DESC',
  );
  // An announced image says nothing about other functions.
  // A push that names no function, and whose stack was not read, was not deployed: it drops nothing.
  const newerWithout = database.prepare(
    `SELECT 1 FROM pushes newer JOIN pushes mine ON mine.id = ?1
     WHERE newer.owner_id = mine.owner_id AND newer.repo = mine.repo AND newer.seq > mine.seq
       AND newer.id NOT LIKE 'image-%'
       AND (json_extract(newer.record, '$.ref') = ''
         OR (json_extract(newer.record, '$.stackRead') = ?3
             OR EXISTS (SELECT 1 FROM deploys
                        WHERE push_id = newer.id AND function_name IS NOT NULL AND environment = ?3))
           AND NOT EXISTS (SELECT 1 FROM deploys WHERE push_id = newer.id AND function_name = ?2 AND environment = ?3))
     LIMIT 1`,
  );
  const answered = database.prepare(
    `SELECT json_extract(record, '$.gitopsCommit') AS answer FROM deploys
     WHERE owner = ?1 AND function_name = ?2 AND environment = ?7 AND id <> ?3 AND answer IS NOT NULL
       AND json_extract(record, '$.sourceCommit') = ?4 AND json_extract(record, '$.ownerId') = ?5
       AND json_extract(record, '$.repo') = ?6 AND json_extract(record, '$.image') IS NOT NULL
     ORDER BY seq DESC LIMIT 1`,
  );
  const old = database.prepare(
    `SELECT id FROM pushes WHERE state = 'done' AND owner_id = ?1 AND repo = ?2 AND seq <=
       (SELECT seq FROM pushes WHERE owner_id = ?1 AND repo = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)`,
  );
  const held = database.prepare(
    `SELECT record FROM deploys
     WHERE json_extract(record, '$.state') = 'held' AND (?1 IS NULL OR owner = ?1) ORDER BY seq DESC`,
  );
  const open = database.prepare("SELECT id FROM pushes WHERE state <> 'done' ORDER BY seq");
  const changed = database.prepare(
    `SELECT record FROM pushes WHERE json_extract(record, '$.updatedAt') >= ?1
       OR id IN (SELECT push_id FROM deploys WHERE json_extract(record, '$.updatedAt') >= ?1) ORDER BY seq`,
  );
  const dropPush = database.prepare('DELETE FROM pushes WHERE id = ?');
  const dropDeploys = database.prepare('DELETE FROM deploys WHERE push_id = ?');

  function withDeploys(row: Record<string, unknown>): PushRecord {
    const push = parse<Omit<PushRecord, 'deploys'>>(row);
    return { ...push, deploys: deploysOfPush.all(push.id).map(parse<DeployRecord>) };
  }

  /** Whether it did not become a version, and a newer push or the repository's deletion has left its function out. */
  function isDropped({
    pushId,
    functionName,
    environment = defaultEnvironment,
    state,
  }: DeployRecord): boolean {
    if (!dropped.has(state)) return false;
    return newerWithout.get(pushId, functionName, environment) !== undefined;
  }

  function latestDeploy(
    owner: string,
    functionName: string,
    environment: string = defaultEnvironment,
  ): DeployRecord | undefined {
    for (const row of ofFunction.iterate(owner, functionName, environment)) {
      const record = parse<DeployRecord>(row);
      if (!isDropped(record)) return record;
    }
    return undefined;
  }

  function keptOf(latest: DeployRecord): DeployRecord[] {
    if (!isDropped(latest) || latest.functionName === null) return [latest];
    const kept = latestDeploy(latest.owner, latest.functionName, latest.environment);
    return kept ? [kept] : [];
  }

  return {
    putPush: (push) =>
      void putPush.run(push.id, push.owner, push.ownerId, push.repo, push.state, JSON.stringify(push)),
    putDeploy: (deploy) =>
      void putDeploy.run(
        deploy.id,
        deploy.pushId,
        deploy.owner,
        deploy.functionName,
        JSON.stringify(deploy),
        deploy.environment ?? defaultEnvironment,
      ),
    push(id) {
      const row = pushById.get(id);
      return row && withDeploys(row);
    },
    pushes({ owner, repo, limit }) {
      const count = Math.max(0, Math.min(limit ?? defaultPushes, maxPushes));
      return pushesOfOwner.all(owner, repo ?? null, count).map(withDeploys);
    },
    deploy(id) {
      const row = deployById.get(id);
      return row && parse<DeployRecord>(row);
    },
    latestDeploys: (owner, environment = defaultEnvironment) =>
      (owner === undefined ? latestOfAll.all(environment) : latestOfOwner.all(owner, environment))
        .map(parse<DeployRecord>)
        .flatMap(keptOf),
    latestDeploy,
    heldDeploys: (owner) => held.all(owner ?? null).map(parse<DeployRecord>),
    openPushes: () => open.all().map((row) => String(row['id'])),
    changedSince: (time) => changed.all(time).map(withDeploys),
    answerOf({ owner, functionName, id, sourceCommit, ownerId, repo, environment = defaultEnvironment }) {
      const row = answered.get(owner, functionName, id, sourceCommit, ownerId, repo, environment);
      return row && String(row['answer']);
    },
    prune({ ownerId, repo }, keep) {
      const ids = old.all(ownerId, repo, keep).map((row) => String(row['id']));
      for (const id of ids) {
        dropDeploys.run(id);
        dropPush.run(id);
      }
      return ids;
    },
  };
}
