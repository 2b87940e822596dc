import type { Person } from './source-event.ts';

/** Who asks, as the auth service vouches for them. `ownerId` is the identity; slugs are for showing. */
export interface Identity {
  ownerId: string;
  owner: string;
  name: string;
  email: string;
  /** An operator may read and change everything of every owner. */
  role: 'member' | 'operator';
  via: 'session' | 'token';
}

/** A CI job, as its forge vouches for it and as owners have said that they trust it. */
export interface Workload {
  via: 'workload';
  /** Owners with a binding that this job meets. */
  ownerIds: string[];
  scm: 'github' | 'gitlab';
  issuer: string;
  /** The token's `sub`: for logs and records, never to decide by. */
  subject: string;
  /** `path` as `acme/shop`, `name` its last part. */
  repository: { id: string; name: string; path: string; url: string; private: boolean };
  /** As `refs/heads/main`. */
  ref: string;
  commit: string | null;
  /** Grows with every run of the same workflow. */
  run: { of: string; number: number } | null;
  actor: Person;
}

/**
 * The one place that decides what somebody may read or change: by owner id, never by a name or its prefix.
 * `undefined` (nobody, or a failed check) is refused.
 */
export function mayRead(identity: Identity | undefined, ownerId: string): boolean {
  return identity !== undefined && (identity.role === 'operator' || identity.ownerId === ownerId);
}

export function mayChange(identity: Identity | undefined, ownerId: string): boolean {
  return mayRead(identity, ownerId);
}

/** A person as for every change; a CI job only where the owner has bound it, whoever else it works for. */
export function mayAnnounce(who: Identity | Workload | undefined, ownerId: string): boolean {
  if (who === undefined) return false;
  return who.via === 'workload' ? who.ownerIds.includes(ownerId) : mayChange(who, ownerId);
}

/** The GitOps repository holds every tenant's configuration: operators only. */
export function mayUseGitOps(identity: Identity | undefined): boolean {
  return identity?.role === 'operator';
}
