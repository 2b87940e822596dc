import type { DatabaseSync } from 'node:sqlite';
import type { WorkloadBinding } from '../../core/auth.ts';
import type { BindingStore } from './binding-store.ts';

type Row = Record<string, unknown>;

const textOrNull = (value: unknown) => (value === '' ? null : String(value));

function toBinding(row: Row): WorkloadBinding {
  return {
    id: String(row['id']),
    ownerId: String(row['owner_id']),
    issuer: String(row['issuer']),
    repositoryId: String(row['repository_id']),
    repository: String(row['repository']),
    ref: textOrNull(row['ref']),
    environment: textOrNull(row['environment']),
    workflow: textOrNull(row['workflow']),
    createdAt: Number(row['created_at']),
  };
}

export function createSqliteBindingStore(database: DatabaseSync): BindingStore {
  // '' stands for no condition: NULLs would never be equal to each other.
  database.exec(`
    CREATE TABLE IF NOT EXISTS workload_bindings (
      id TEXT PRIMARY KEY, owner_id TEXT NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
      issuer TEXT NOT NULL, repository_id TEXT NOT NULL, repository TEXT NOT NULL,
      ref TEXT NOT NULL, environment TEXT NOT NULL, workflow TEXT NOT NULL, created_at INTEGER NOT NULL,
      UNIQUE (owner_id, issuer, repository_id, ref, environment, workflow)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS workload_bindings_by_repository ON workload_bindings (issuer, repository_id);
  `);
  const owner = database.prepare('SELECT 1 FROM owners WHERE id = ?');
  const insert = database.prepare(
    'INSERT OR IGNORE INTO workload_bindings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const remove = database.prepare('DELETE FROM workload_bindings WHERE owner_id = ? AND id = ?');
  const ofOwner = database.prepare(
    'SELECT * FROM workload_bindings WHERE owner_id = ? ORDER BY created_at, rowid',
  );
  const ofRepository = database.prepare(
    'SELECT * FROM workload_bindings WHERE issuer = ? AND repository_id = ? ORDER BY created_at, rowid',
  );
  return {
    add(binding) {
      const { id, ownerId, issuer, repositoryId, repository, ref, environment, workflow, createdAt } =
        binding;
      if (!owner.get(ownerId)) return false;
      const conditions = [ref ?? '', environment ?? '', workflow ?? ''] as const;
      const result = insert.run(id, ownerId, issuer, repositoryId, repository, ...conditions, createdAt);
      return result.changes === 1;
    },
    remove: (ownerId, id) => remove.run(ownerId, id).changes === 1,
    ofOwner: (ownerId) => ofOwner.all(ownerId).map(toBinding),
    ofRepository: (issuer, repositoryId) => ofRepository.all(issuer, repositoryId).map(toBinding),
  };
}
