import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Opens the auth service's database, readable by its owner only, and makes what is missing in it. */
export function openAuthDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000, enableForeignKeyConstraints: true });
  if (path !== ':memory:') chmodSync(path, 0o600);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS owners (
      id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, role TEXT NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS tokens (
      id TEXT PRIMARY KEY, owner_id TEXT NOT NULL REFERENCES owners (id) ON DELETE CASCADE, name TEXT NOT NULL,
      created_at INTEGER NOT NULL, expires_at INTEGER, hash BLOB NOT NULL UNIQUE
    ) STRICT;
    CREATE INDEX IF NOT EXISTS tokens_by_owner ON tokens (owner_id);
    CREATE TABLE IF NOT EXISTS login_tickets (
      hash BLOB PRIMARY KEY, owner_id TEXT NOT NULL, expires_at INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS revoked_sessions (jti TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT;
  `);
  return database;
}
