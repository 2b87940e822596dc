import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { TicketStore } from './ticket-store.ts';

/** Spent tickets are remembered this long, so that a second use can be told from a mistyped one. */
const rememberMs = 24 * 60 * 60_000;

const Row = z.object({ ownerId: z.string(), expiresAt: z.number(), used: z.number() });

/** Tickets in the auth service's SQLite database. */
export function createSqliteTicketStore(database: DatabaseSync): TicketStore {
  const add = database.prepare('INSERT INTO login_tickets (hash, owner_id, expires_at) VALUES (?, ?, ?)');
  const forget = database.prepare('DELETE FROM login_tickets WHERE expires_at < ?');
  const take = database.prepare(
    'UPDATE login_tickets SET used = 1 WHERE hash = ? AND used = 0 AND expires_at > ? RETURNING owner_id AS ownerId, expires_at AS expiresAt, used',
  );
  const find = database.prepare(
    'SELECT owner_id AS ownerId, expires_at AS expiresAt, used FROM login_tickets WHERE hash = ?',
  );
  return {
    add(ticket, now) {
      forget.run(now - rememberMs);
      add.run(ticket.hash, ticket.ownerId, ticket.expiresAt);
    },
    take(hash, now) {
      const taken = Row.optional().parse(take.get(hash, now));
      if (taken) return { type: 'taken', ownerId: taken.ownerId };
      const known = Row.optional().parse(find.get(hash));
      if (!known) return { type: 'unknown' };
      return { type: known.used === 1 ? 'used' : 'expired' };
    },
  };
}
