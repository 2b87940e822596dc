import type { DatabaseSync } from 'node:sqlite';
import { TowlineError } from '../../core/errors.ts';
import type { WriteOutcome } from '../../core/manifest-writer.ts';
import { openPrivateDatabase } from '../../runtime/private-database.ts';
import type { Acceptance, IntentLog, KeptIntent, NewIntent } from './intent-log.ts';

export interface SqliteIntentLogConfig {
  path: string;
  /** Finished intents whose outcome is still told. */
  maxFinished: number;
}

const maxBodyBytes = 2 * 1024 * 1024;
/** How many attempts of one intent are told apart: each is a push that broke off without an answer. */
const maxAttempts = 20;

const schema = `
  CREATE TABLE IF NOT EXISTS intents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    attempts TEXT NOT NULL DEFAULT '[]',
    outcome TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS intents_pending ON intents (seq) WHERE outcome IS NULL;
  CREATE INDEX IF NOT EXISTS intents_finished ON intents (seq) WHERE outcome IS NOT NULL;
`;

type Row = Record<string, unknown>;

function toIntent(row: Row): KeptIntent {
  return {
    seq: Number(row['seq']),
    id: String(row['id']),
    kind: String(row['kind']),
    body: JSON.parse(String(row['body'])),
    acceptedAt: Number(row['accepted_at']),
    attempts: JSON.parse(String(row['attempts'])),
  };
}

function open(path: string): DatabaseSync {
  // Intents carry functions' environments.
  const database = openPrivateDatabase(path, { timeout: 5000 });
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  database.exec(schema);
  return database;
}

/** One file, one writer process. Each call is one transaction, synced to the disk. */
export function createSqliteIntentLog({ path, maxFinished }: SqliteIntentLogConfig): IntentLog {
  const database = open(path);
  const byId = database.prepare('SELECT * FROM intents WHERE id = ?');
  const insert = database.prepare('INSERT INTO intents (id, kind, body, accepted_at) VALUES (?, ?, ?, ?)');
  const allPending = database.prepare('SELECT * FROM intents WHERE outcome IS NULL ORDER BY seq');
  const setAttempts = database.prepare('UPDATE intents SET attempts = ? WHERE id = ? AND outcome IS NULL');
  // The body is of no more use, and is the large part.
  const setOutcome = database.prepare(
    `UPDATE intents SET outcome = ?, body = 'null', attempts = '[]' WHERE id = ? AND outcome IS NULL`,
  );
  const remove = database.prepare('DELETE FROM intents WHERE id = ? AND outcome IS NULL');
  const prune = database.prepare(
    `DELETE FROM intents WHERE outcome IS NOT NULL AND seq <=
       (SELECT seq FROM intents WHERE outcome IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
  );

  function transaction<T>(work: () => T): T {
    try {
      database.exec('BEGIN IMMEDIATE');
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
      if (error instanceof TowlineError) throw error;
      throw new TowlineError('unavailable', 'the intent log cannot be written', {
        hint: 'is the disk full?',
        cause: error,
      });
    }
  }

  function acceptOne({ id, kind, body }: NewIntent, now: number): Acceptance {
    const known = byId.get(id);
    if (known && known['outcome'] !== null) {
      return { type: 'finished', outcome: JSON.parse(String(known['outcome'])) as WriteOutcome };
    }
    if (known) return { type: 'pending', intent: toIntent(known) };
    const text = JSON.stringify(body);
    if (Buffer.byteLength(text) > maxBodyBytes) {
      throw new TowlineError('too_large', `an intent may have ${maxBodyBytes} bytes`);
    }
    const { lastInsertRowid } = insert.run(id, kind, text, now);
    const intent = { seq: Number(lastInsertRowid), id, kind, body, acceptedAt: now, attempts: [] };
    return { type: 'accepted', intent };
  }

  return {
    accept: (intents, now) => transaction(() => intents.map((one) => acceptOne(one, now))),
    pending: () => allPending.all().map(toIntent),
    attempted(attempts) {
      transaction(() => {
        for (const { id, ...attempt } of attempts) {
          const row = byId.get(id);
          if (!row) continue;
          const all = [...toIntent(row).attempts, attempt].slice(-maxAttempts);
          setAttempts.run(JSON.stringify(all), id);
        }
      });
    },
    finish(outcomes) {
      transaction(() => {
        for (const { id, outcome } of outcomes) setOutcome.run(JSON.stringify(outcome), id);
        prune.run(maxFinished);
      });
    },
    withdraw: (id) => void transaction(() => remove.run(id)),
    [Symbol.dispose]() {
      if (database.isOpen) database.close();
    },
  };
}
