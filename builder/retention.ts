import type { BuilderConfig } from './config.ts';
import type { Delivery } from './deliveries/delivery-log.ts';
import type { BuilderStores } from './open-stores.ts';

const defaultKeepPushes = 500;
/** Deliveries are kept longer than pushes, to know a redelivery by. */
const deliveriesPerPush = 4;
const defaultLogMaxAgeMs = 30 * 24 * 60 * 60_000;
/** An image that no push has asked for as long is built again. */
const builtImageMaxAgeMs = 90 * 24 * 60 * 60_000;
const defaultMaxAllLogBytes = 5_000_000_000;
const logSweepMs = 60 * 60_000;

/** Removes old records of a repository whose push has ended; and now and then, old logs and images of all. */
export function createRetention(
  config: Pick<BuilderConfig, 'keepPushes' | 'logMaxAgeMs' | 'maxAllLogBytes'>,
  stores: Pick<BuilderStores, 'deliveries' | 'store' | 'builtImages' | 'logs'>,
  now: () => number,
): (ended: Delivery) => Promise<void> {
  const { deliveries, store, builtImages, logs } = stores;
  const keepPushes = config.keepPushes ?? defaultKeepPushes;
  let sweptAt = 0;

  return async ({ event }) => {
    await deliveries.prune(event, keepPushes * deliveriesPerPush);
    const { ownerId, name: repo } = event.repository;
    for (const id of store.prune({ ownerId, repo }, keepPushes)) await logs.remove(id);
    if (now() - sweptAt < logSweepMs) return;
    sweptAt = now();
    builtImages.removeOlderThan(sweptAt - builtImageMaxAgeMs);
    const after = sweptAt - (config.logMaxAgeMs ?? defaultLogMaxAgeMs);
    await logs.retain({ after, maxBytes: config.maxAllLogBytes ?? defaultMaxAllLogBytes });
  };
}
