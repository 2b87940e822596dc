/** What taking a ticket came to. A ticket is taken once, whoever else takes it at the same time. */
export type TakenTicket = { type: 'taken'; ownerId: string } | { type: 'used' | 'expired' | 'unknown' };

/** One-time login tickets by the SHA-256 of their text. Adapters: SQLite; PostgreSQL. */
export interface TicketStore {
  /** `expiresAt`: milliseconds since the epoch. Forgets tickets that expired more than a day ago. */
  add(ticket: { hash: Buffer; ownerId: string; expiresAt: number }, now: number): void;
  take(hash: Buffer, now: number): TakenTicket;
}
