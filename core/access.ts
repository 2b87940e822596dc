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

/** The GitOps repository holds every tenant's configuration: operators only. */
export function mayUseGitOps(identity: Identity | undefined): boolean {
  return identity?.role === 'operator';
}
