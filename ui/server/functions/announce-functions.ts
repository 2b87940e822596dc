import { defaultEnvironment, type ServedEnvironment } from '../../../core/environments.ts';
import type { EventBus } from '../../../core/events.ts';

/** Tells what changes in an environment's catalog. Returns the way to stop. */
export function announceFunctions({ name, catalog }: ServedEnvironment, events: EventBus): () => void {
  const place = name === defaultEnvironment ? {} : { environment: name };
  /** Of what is gone the catalog does not say whose it was. */
  const owners = new Map(catalog.list().map(({ owner, ownerId }) => [owner, ownerId]));
  return catalog.subscribe((change) => {
    const { owner, entry } = change;
    const ownerId = entry?.ownerId ?? owners.get(owner);
    if (ownerId === undefined) return;
    if (catalog.hasOwner(owner)) owners.set(owner, ownerId);
    else owners.delete(owner);
    events.publish({ type: 'function.changed', ownerId, owner, ...place, change });
  });
}
