import type { DatabaseSync } from 'node:sqlite';
import type { PushRecord } from '../../core/deploy.ts';
import { createSqliteOutbox } from '../../runtime/outbox/outbox-sqlite.ts';
import type { DeliveryLog } from '../deliveries/delivery-log.ts';
import type { DeployStore } from '../deploys/deploy-store.ts';
import { createFeedback, type Feedback, type FeedbackConfig, type FeedbackDeps } from './feedback.ts';

export type { FeedbackConfig } from './feedback.ts';

type OpenDeps = Pick<FeedbackDeps, 'events' | 'functionUrl' | 'log' | 'logger' | 'now'> & {
  /** Gets tables of its own. */
  database: DatabaseSync;
  store: DeployStore;
  deliveries: Pick<DeliveryLog, 'find'>;
};

/** Of one repository; beyond them the number says enough. */
const maxAhead = 100;

function aheadOf(store: DeployStore, { owner, repo, ref, createdAt }: PushRecord): number {
  const others = store.pushes({ owner, repo, limit: maxAhead });
  return others.filter((other) => other.state !== 'done' && other.ref === ref && other.createdAt < createdAt)
    .length;
}

/** The builder's feedback, kept in its database; `undefined` if nobody is to be told. */
export function openFeedback(config: FeedbackConfig | undefined, deps: OpenDeps): Feedback | undefined {
  if (!config) return undefined;
  const { database, store, deliveries, ...others } = deps;
  return createFeedback(config, {
    ...others,
    outbox: createSqliteOutbox(database),
    deliveryOf: (pushId) => deliveries.find(pushId),
    changedSince: (time) => store.changedSince(time),
    ahead: (push) => aheadOf(store, push),
  });
}
