import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { BackgroundWork } from '../background-work.ts';
import type { Delivery, DeliveryLog } from '../deliveries/delivery-log.ts';
import type { PushJournals } from '../deploys/push-journals.ts';
import type { PipelineContext } from '../pipeline/pipeline-context.ts';
import { processPush } from '../pipeline/process-push.ts';
import { refHead } from '../source/branch-head.ts';
import { createDeliveryFeed, type DeliveryFeed } from './delivery-feed.ts';
import { createPersistentQueue } from './persistent-queue.ts';
import { createPushQueue, type PushQueue } from './push-queue.ts';

export interface QueueDeps {
  deliveries: DeliveryLog;
  journals: PushJournals;
  context: PipelineContext;
  background: BackgroundWork;
  /** Removes old records once a push has ended. */
  tidy: (ended: Delivery) => Promise<void>;
  retry: { firstMs: number; maxMs: number };
}

/** The way of deliveries from the log to the pipeline. */
export function openQueue(deps: QueueDeps): { feed: DeliveryFeed; pushQueue: PushQueue } {
  const { deliveries, context, background, retry } = deps;
  const { config, logger, refs, sourceAccess, stopped } = context;
  const pushQueue = createPushQueue({
    openJournal: deps.journals.open,
    process: (task) => processPush(task, context),
    refs,
    async headOf({ event }) {
      if (event.type !== 'push') return undefined;
      const location = await sourceAccess.locate(event.repository, event);
      return refHead({ location, path: config.path }, event.ref, stopped);
    },
    async onDone(delivery) {
      await deliveries.done(delivery.event.id);
      background.run('old records could not be removed', deps.tidy(delivery));
    },
    onFault: (delivery, error) =>
      logger.error({ err: error, deliveryId: delivery.event.id }, 'a push could not be processed'),
    stopped,
  });
  const queue = createPersistentQueue({
    add: pushQueue.add,
    wait: (tries) => delay(backoffMs(tries, retry), stopped),
    background: (work) => background.run('an accepted push could not be queued', work),
    onFault: ({ event }, error, isGivenUp) =>
      logger.error(
        { err: error, deliveryId: event.id },
        `an accepted push could not be queued; it waits ${isGivenUp ? 'until the next start' : 'and is tried again'}`,
      ),
  });
  const feed = createDeliveryFeed({
    take: deliveries.take,
    add: queue.add,
    pollMs: deliveries.pollMs,
    retry,
    onFault: (error) => logger.error({ err: error }, 'accepted deliveries cannot be read; they wait'),
    stopped,
  });
  return { feed, pushQueue };
}
