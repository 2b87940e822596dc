import type { ApiToken, Owner } from '../../core/auth.ts';

/** Owners and the hashes of their API tokens, durably. Adapters: SQLite; PostgreSQL. */
export interface AccountStore {
  owners(): Owner[];
  ownerById(id: string): Owner | undefined;
  ownerBySlug(slug: string): Owner | undefined;
  /** `false`: the slug or the id is taken. */
  addOwner(owner: Owner): boolean;
  /** Its tokens go with it. */
  removeOwner(id: string): void;
  /** `hash`: SHA-256 of the token's text. */
  addToken(token: ApiToken, hash: Buffer): void;
  /** Of an owner that still exists; whether it has expired is the caller's to judge. */
  tokenByHash(hash: Buffer): { token: ApiToken; hash: Buffer } | undefined;
  /** Oldest first. */
  tokens(ownerId: string): ApiToken[];
  /** Whether there was such a token of this owner. */
  removeToken(ownerId: string, id: string): boolean;
}
