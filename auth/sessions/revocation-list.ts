/** Sessions that ended before their time, by JWT id. Adapters: SQLite; PostgreSQL. */
export interface RevocationList {
  /** Remembered until `expiresAt` (milliseconds since the epoch), after which the session is refused anyway. */
  revoke(jti: string, expiresAt: number, now: number): void;
  isRevoked(jti: string): boolean;
}
