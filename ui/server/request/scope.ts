import { type Identity, mayChange, mayRead } from '../../../core/access.ts';
import type { Accounts, Owner } from '../../../core/auth.ts';
import type { BuildService } from '../../../core/build-service.ts';
import type { PushRecord } from '../../../core/deploy.ts';
import { TowlineError } from '../../../core/errors.ts';

type Purpose = 'read' | 'change';

/**
 * The one place of the API that turns a name in a path into something the requester may use: by owner id.
 * What is somebody else's answers exactly like what does not exist.
 */
export interface Scope {
  owner(identity: Identity, slug: string | undefined, purpose: Purpose): Promise<Owner>;
  push(identity: Identity, id: string | undefined, purpose: Purpose): Promise<PushRecord>;
  /** Its own first. */
  readableOwners(identity: Identity): Promise<Owner[]>;
}

export function createScope(accounts: Accounts, builds: BuildService): Scope {
  const allows = (identity: Identity, ownerId: string, purpose: Purpose) =>
    purpose === 'read' ? mayRead(identity, ownerId) : mayChange(identity, ownerId);

  /** Not everybody's list for somebody who may read nobody else's. */
  async function candidates({ role, ownerId }: Identity): Promise<Owner[]> {
    if (role === 'operator') return await accounts.owners();
    const own = await accounts.ownerById(ownerId);
    return own ? [own] : [];
  }

  return {
    async owner(identity, slug, purpose) {
      const owner = slug === undefined ? undefined : await accounts.ownerBySlug(slug);
      if (!owner || !allows(identity, owner.id, 'read')) throw notFound('owner');
      refuseUnless(allows(identity, owner.id, purpose));
      return owner;
    },
    async push(identity, id, purpose) {
      const push = id === undefined ? undefined : await builds.push(id);
      if (!push || !allows(identity, push.ownerId, 'read')) throw notFound('push');
      refuseUnless(allows(identity, push.ownerId, purpose));
      return push;
    },
    async readableOwners(identity) {
      const readable = (await candidates(identity)).filter((owner) => mayRead(identity, owner.id));
      const own = readable.filter((owner) => owner.id === identity.ownerId);
      return [...own, ...readable.filter((owner) => owner.id !== identity.ownerId)];
    },
  };
}

/** Whoever may see something is told plainly that they may not change it. */
function refuseUnless(allowed: boolean): void {
  if (!allowed) throw new TowlineError('forbidden', 'you may look at this and not change it');
}

export function notFound(what: string): TowlineError {
  return new TowlineError('not_found', `there is no such ${what}, or it is not yours`);
}
