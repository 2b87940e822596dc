import type { Identity, Workload } from './access.ts';
import type { Person } from './source-event.ts';

/** Who asked for it, for the audit; nobody named: whoever operates the platform. */
interface Asked {
  by?: Person | undefined;
}

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

/**
 * Vouches for who sends a request. Any doubt is `undefined`: callers refuse it. Throws `unavailable` if it cannot be
 * asked now; callers refuse that too.
 */
export interface Authenticator {
  /** From the value of a `Cookie` header. */
  fromCookies(cookieHeader: string | undefined): Promise<Identity | undefined>;
  /** From an API token, as sent by `Authorization: Bearer` or as git's password. */
  fromToken(token: string | undefined): Promise<Identity | undefined>;
}

/** Owners and their API tokens. */
export interface Accounts {
  owners(): Promise<Owner[]>;
  ownerBySlug(slug: string): Promise<Owner | undefined>;
  ownerById(id: string): Promise<Owner | undefined>;
  /** `id` is given by whoever knows a lasting one, as a forge does. Throws `name_invalid` or `name_taken`. */
  createOwner(owner: Omit<Owner, 'id'> & { id?: string | undefined } & Asked): Promise<Owner>;
  /** The token's text is given once and stored only as a hash. */
  createToken(request: { ownerId: string; name: string; ttlMs: number | null } & Asked): Promise<{
    token: string;
    record: ApiToken;
  }>;
  tokens(ownerId: string): Promise<ApiToken[]>;
  /** Whether there was such a token of this owner. */
  revokeToken(ownerId: string, id: string, by?: Person): Promise<boolean>;
}

/** Which CI an owner trusts to announce images. Every condition that is given has to hold; none is matched by prefix. */
export interface WorkloadBinding {
  id: string;
  ownerId: string;
  /** As `https://token.actions.githubusercontent.com`. */
  issuer: string;
  /** The forge's own id, which survives a rename and is not given anew. */
  repositoryId: string;
  /** What the repository was called when the binding was made; for people. */
  repository: string;
  /** As `refs/heads/main`, which GitLab has to protect; `null`: every branch and tag, protected or not. */
  ref: string | null;
  /** Of the forge's deployment environments; `null`: with or without one. */
  environment: string | null;
  /** The workflow's file in the repository, as `.github/workflows/release.yml`; `null`: each of them. */
  workflow: string | null;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** CI jobs, by the tokens that their forges give them. */
export interface Workloads {
  /**
   * `undefined` for what is no valid token of a trusted issuer for this installation. Throws `unavailable` if the
   * issuer's keys cannot be had: nobody is let in on doubt.
   */
  fromWorkloadToken(token: string): Promise<Workload | undefined>;
  /** What a binding's `issuer` may be. */
  issuers(): Promise<{ issuer: string; scm: 'github' | 'gitlab' }[]>;
  bindings(ownerId: string): Promise<WorkloadBinding[]>;
  /** Throws `bad_request` for an issuer that is not trusted, `not_found`, `conflict`. */
  addBinding(binding: Omit<WorkloadBinding, 'id' | 'createdAt'>, by?: Person): Promise<WorkloadBinding>;
  /** Whether there was such a binding of this owner. */
  removeBinding(ownerId: string, id: string, by?: Person): Promise<boolean>;
}
