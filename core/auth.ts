import type { Identity } from './access.ts';

export interface Owner {
  /** The identity; never reused. */
  id: string;
  slug: string;
  role: 'member' | 'operator';
  name: string;
  email: string;
}

export interface ApiToken {
  id: string;
  ownerId: string;
  name: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  expiresAt: number | null;
}

/** Vouches for who sends a request. Any doubt is `undefined`: callers refuse it. */
export interface Authenticator {
  /** From the value of a `Cookie` header. */
  fromCookies(cookieHeader: string | undefined): Promise<Identity | undefined>;
  /** From an API token, as sent by `Authorization: Bearer` or as git's password. */
  fromToken(token: string | undefined): Promise<Identity | undefined>;
}

/** Owners and their API tokens. */
export interface Accounts {
  owners(): Owner[];
  ownerBySlug(slug: string): Owner | undefined;
  ownerById(id: string): Owner | undefined;
  /** `id` is given by whoever knows a lasting one, as a forge does. Throws `name_invalid` or `name_taken`. */
  createOwner(owner: Omit<Owner, 'id'> & { id?: string | undefined }): Owner;
  /** The token's text is given once and stored only as a hash. */
  createToken(request: { ownerId: string; name: string; ttlMs: number | null }): {
    token: string;
    record: ApiToken;
  };
  tokens(ownerId: string): ApiToken[];
  /** Whether there was such a token of this owner. */
  revokeToken(ownerId: string, id: string): boolean;
}
