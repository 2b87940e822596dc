import type { DatabaseSync } from 'node:sqlite';
import type { RevocationList } from './revocation-list.ts';

/** Revoked sessions in the auth service's SQLite database. */
export function createSqliteRevocationList(database: DatabaseSync): RevocationList {
  const add = database.prepare(
    'INSERT INTO revoked_sessions (jti, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
  );
  const forget = database.prepare('DELETE FROM revoked_sessions WHERE expires_at <= ?');
  const find = database.prepare('SELECT 1 FROM revoked_sessions WHERE jti = ?');
  return {
    revoke(jti, expiresAt, now) {
      forget.run(now);
      add.run(jti, expiresAt);
    },
    isRevoked: (jti) => find.get(jti) !== undefined,
  };
}
