import type { DatabaseSync } from 'node:sqlite';
import type { Outbox, OutboxEntry, WaitingEntry } from './outbox.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS feedback (
    key TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    destination TEXT NOT NULL,
    owner TEXT NOT NULL,
    sort INTEGER NOT NULL,
    final INTEGER NOT NULL,
    payload TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 1,
    waits INTEGER NOT NULL DEFAULT 1,
    refusal TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    put_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS feedback_waiting ON feedback (destination, owner, put_at) WHERE waits = 1;
  CREATE INDEX IF NOT EXISTS feedback_told ON feedback (put_at) WHERE waits = 0;
  CREATE INDEX IF NOT EXISTS feedback_channel ON feedback (channel, put_at);
  CREATE TABLE IF NOT EXISTS feedback_memory (
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key, name)
  ) STRICT;
`;

type Row = Record<string, unknown>;

function toEntry(row: Row): WaitingEntry {
  return {
    key: String(row['key']),
    channel: String(row['channel']),
    destination: String(row['destination']),
    owner: String(row['owner']),
    order: Number(row['sort']),
    isFinal: row['final'] === 1,
    payload: String(row['payload']),
    generation: Number(row['generation']),
    attempts: Number(row['attempts']),
    putAt: Number(row['put_at']),
  };
}

function columnsOf(entry: OutboxEntry) {
  const { key, channel, destination, owner, order, isFinal, payload } = entry;
  return [key, channel, destination, owner, order, isFinal ? 1 : 0, payload] as const;
}

const sinceKey = 'outbox';

/** Makes its tables in the database. */
export function createSqliteOutbox(database: DatabaseSync): Outbox {
  database.exec(schema);
  // The same content again is no news; nor is what an older push says late.
  const put = database.prepare(
    `INSERT INTO feedback (key, channel, destination, owner, sort, final, payload, put_at, due_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
     ON CONFLICT (key) DO UPDATE SET sort = excluded.sort, final = excluded.final, payload = excluded.payload,
       generation = generation + 1, attempts = 0, refusal = NULL, waits = 1,
       put_at = CASE waits WHEN 1 THEN put_at ELSE excluded.put_at END,
       due_at = CASE waits WHEN 1 THEN due_at ELSE excluded.due_at END
     WHERE excluded.payload <> payload AND excluded.sort >= sort`,
  );
  const putOnce = database.prepare(
    `INSERT INTO feedback (key, channel, destination, owner, sort, final, payload, put_at, due_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (key) DO NOTHING`,
  );
  const due = database.prepare(
    `SELECT *, MIN(put_at) FROM feedback WHERE waits = 1 AND due_at <= ? GROUP BY destination, owner`,
  );
  const next = database.prepare('SELECT MIN(due_at) AS due FROM feedback WHERE waits = 1');
  const end = database.prepare(
    'UPDATE feedback SET waits = 0, refusal = ?3, attempts = 0 WHERE key = ?1 AND generation = ?2',
  );
  const later = database.prepare(
    'UPDATE feedback SET due_at = ?3, attempts = attempts + 1, refusal = ?4 WHERE key = ?1 AND generation = ?2',
  );
  const ofChannel = database.prepare('SELECT * FROM feedback WHERE channel = ? ORDER BY put_at LIMIT 1000');
  const giveTo = database.prepare('UPDATE feedback SET channel = ? WHERE key = ?');
  const remembered = database.prepare('SELECT value FROM feedback_memory WHERE key = ? AND name = ?');
  const remember = database.prepare(
    `INSERT INTO feedback_memory (key, name, value) VALUES (?, ?, ?)
     ON CONFLICT (key, name) DO UPDATE SET value = excluded.value`,
  );
  const forget = database.prepare('DELETE FROM feedback_memory WHERE key = ? AND name = ?');
  const counts = database.prepare(
    `SELECT COUNT(*) FILTER (WHERE waits = 1) AS waiting, MIN(put_at) FILTER (WHERE waits = 1) AS oldest,
       COUNT(*) FILTER (WHERE waits = 0 AND refusal IS NOT NULL) AS refused FROM feedback`,
  );
  const dropTold = database.prepare('DELETE FROM feedback WHERE waits = 0 AND put_at < ?');
  const dropMemory = database.prepare(
    `DELETE FROM feedback_memory WHERE key LIKE '%:%' AND key NOT IN (SELECT key FROM feedback)`,
  );
  const crowded = database.prepare(
    `SELECT destination, COUNT(*) - ?1 AS excess FROM feedback WHERE waits = 1
     GROUP BY destination HAVING COUNT(*) > ?1`,
  );
  const tooMany = database.prepare(
    `DELETE FROM feedback WHERE key IN (
       SELECT key FROM feedback WHERE waits = 1 AND destination = ? ORDER BY final, put_at LIMIT ?
     ) RETURNING *`,
  );

  function memory(key: string) {
    return {
      get(name: string) {
        const row = remembered.get(key, name);
        return row && String(row['value']);
      },
      set(name: string, value: string | null) {
        if (value === null) forget.run(key, name);
        else remember.run(key, name, value);
      },
    };
  }

  return {
    put: (entry, now) => put.run(...columnsOf(entry), now).changes > 0,
    putOnce: (entry, now) => putOnce.run(...columnsOf(entry), now).changes > 0,
    due: (now) => due.all(now).map(toEntry),
    nextDueAt() {
      const at = next.get()?.['due'];
      return typeof at === 'number' ? at : undefined;
    },
    sent: ({ key, generation }) => void end.run(key, generation, null),
    refused: ({ key, generation }, reason) => void end.run(key, generation, reason),
    postpone: ({ key, generation }, dueAt, reason) => void later.run(key, generation, dueAt, reason),
    ofChannel: (channel) => ofChannel.all(channel).map(toEntry),
    giveTo: (channel, key) => void giveTo.run(channel, key),
    memory,
    counts() {
      const row = counts.get() ?? {};
      const oldest = row['oldest'];
      return {
        waiting: Number(row['waiting']),
        oldestPutAt: typeof oldest === 'number' ? oldest : null,
        refused: Number(row['refused']),
      };
    },
    prune(before, maxWaiting) {
      dropTold.run(before);
      const dropped = crowded
        .all(maxWaiting)
        .flatMap((row) => tooMany.all(String(row['destination']), Number(row['excess'])).map(toEntry));
      dropMemory.run();
      return dropped;
    },
    since(now) {
      const kept = memory(sinceKey);
      const known = kept.get('since');
      if (known !== undefined) return Number(known);
      kept.set('since', String(now));
      return now;
    },
  };
}
