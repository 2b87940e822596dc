import { createHmac } from 'node:crypto';
import type { BuildRequest } from './build-engine.ts';

/**
 * A host name that a build's RUN steps are given besides their own. BuildKit's layer cache knows a step by its text,
 * what it starts from and its hosts, but not by the secrets it mounts; by this name the steps of one owner, and those
 * with other values of the secrets, are never taken for another's. No Dockerfile can give itself one, and without the
 * installation's key nobody can tell an owner's.
 */
export function cacheScopeHost(
  key: string,
  { ownerId, owner, secrets }: Pick<BuildRequest, 'ownerId' | 'owner' | 'secrets'>,
): string {
  const facts = JSON.stringify([
    'cache scope',
    scopeOwner({ ownerId, owner }),
    Object.entries(secrets).sort(),
  ]);
  return `${createHmac('sha256', key).update(facts).digest('hex').slice(0, 40)}.cache.towline.internal`;
}

/** By the lasting id: a name can be taken again by somebody else. */
export function scopeOwner({ ownerId, owner }: Pick<BuildRequest, 'ownerId' | 'owner'>): string {
  return ownerId ?? owner;
}
