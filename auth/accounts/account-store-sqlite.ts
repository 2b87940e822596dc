import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { AccountStore } from './account-store.ts';

const OwnerRow = z.object({
  id: z.string(),
  slug: z.string(),
  role: z.enum(['member', 'operator']),
  name: z.string(),
  email: z.string(),
});
const TokenRow = z.object({
  id: z.string(),
  ownerId: z.string(),
  name: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
});
const HashedRow = TokenRow.extend({ hash: z.instanceof(Uint8Array) });

const tokenColumns = 'id, owner_id AS ownerId, name, created_at AS createdAt, expires_at AS expiresAt';

/** Accounts in the auth service's SQLite database (auth/auth-database.ts makes the tables). */
export function createSqliteAccountStore(database: DatabaseSync): AccountStore {
  const statements = {
    owners: database.prepare('SELECT id, slug, role, name, email FROM owners ORDER BY slug'),
    byId: database.prepare('SELECT id, slug, role, name, email FROM owners WHERE id = ?'),
    bySlug: database.prepare('SELECT id, slug, role, name, email FROM owners WHERE slug = ?'),
    add: database.prepare(
      'INSERT INTO owners (id, slug, role, name, email) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    remove: database.prepare('DELETE FROM owners WHERE id = ?'),
    addToken: database.prepare(
      'INSERT INTO tokens (id, owner_id, name, created_at, expires_at, hash) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    byHash: database.prepare(`SELECT ${tokenColumns}, hash FROM tokens WHERE hash = ?`),
    tokens: database.prepare(`SELECT ${tokenColumns} FROM tokens WHERE owner_id = ? ORDER BY created_at, id`),
    removeToken: database.prepare('DELETE FROM tokens WHERE owner_id = ? AND id = ?'),
  };
  return {
    owners: () => statements.owners.all().map((row) => OwnerRow.parse(row)),
    ownerById: (id) => OwnerRow.optional().parse(statements.byId.get(id)),
    ownerBySlug: (slug) => OwnerRow.optional().parse(statements.bySlug.get(slug)),
    addOwner: (owner) =>
      statements.add.run(owner.id, owner.slug, owner.role, owner.name, owner.email).changes === 1,
    removeOwner(id) {
      statements.remove.run(id);
    },
    addToken(token, hash) {
      statements.addToken.run(token.id, token.ownerId, token.name, token.createdAt, token.expiresAt, hash);
    },
    tokenByHash(hash) {
      const row = HashedRow.optional().parse(statements.byHash.get(hash));
      if (!row) return undefined;
      const { hash: stored, ...token } = row;
      return { token, hash: Buffer.from(stored) };
    },
    tokens: (ownerId) => statements.tokens.all(ownerId).map((row) => TokenRow.parse(row)),
    removeToken: (ownerId, id) => statements.removeToken.run(ownerId, id).changes === 1,
  };
}
