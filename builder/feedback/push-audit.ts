import type { AuditTrail } from '../../core/audit.ts';
import type { PushRecord } from '../../core/deploy.ts';
import type { EventBus, PlatformEvent } from '../../core/events.ts';
import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { auditOfHistory, auditOfPush, auditOfRequests } from './audit-event.ts';
import { createPushFollower } from './push-follower.ts';

export interface PushAuditDeps {
  trail: AuditTrail;
  /** Of the dashboard, where more is to be seen. */
  origin: string;
  events: EventBus;
  logger: Logger;
  /** What the push came of; `undefined` if it is not known any more. */
  deliveryOf(pushId: string): Promise<Pick<Delivery, 'origin' | 'cancelledBy'> | undefined>;
  /** Pushes that changed since, oldest first. */
  changedSince(time: number): Iterable<PushRecord>;
  history: ManifestWriter['history'];
  now: () => number;
}

/** Records what pushes came to, and what people did to the history in git itself. Fed by events, it holds up nothing. */
export interface PushAudit extends AsyncDisposable {
  /** Records what changed while nobody listened, as before a death. */
  start(): Promise<void>;
  /** Resolves when all that was told of so far is recorded. */
  settled(): Promise<void>;
}

/** What is looked at again at a start. */
const lookBackMs = 7 * 24 * 60 * 60_000;
/** Among them is the commit that an event tells of. */
const newestEntries = 20;

type HistoryChange = Extract<PlatformEvent, { type: 'history.changed' }>;

export function createPushAudit(deps: PushAuditDeps): PushAudit {
  const { trail, origin, logger } = deps;
  const stop = new AbortController();
  const looking = new Set<Promise<void>>();

  async function take(push: PushRecord): Promise<void> {
    for (const each of auditOfPush(push, origin)) trail.record(each);
    const delivery = await deps.deliveryOf(push.id);
    if (!delivery) return;
    for (const each of auditOfRequests(push, delivery, origin)) trail.record(each);
  }

  const failure = 'what a push came to could not be audited';
  const follower = createPushFollower({ take, signal: stop.signal, logger, failure });

  async function lookAtCommit(change: HistoryChange): Promise<void> {
    const { owner, functionName, environment, commit } = change;
    try {
      const entries = await deps.history({ owner, functionName, environment, limit: newestEntries });
      const entry = entries.find((each) => each.commit === commit);
      const found = entry && auditOfHistory(entry, origin);
      if (found) trail.record(found);
    } catch (error) {
      logger.warn({ err: error, owner, functionName, commit }, 'a commit could not be audited');
    }
  }

  const unsubscribe = deps.events.subscribe((event) => {
    if (event.type === 'push.changed') follower.changed(event.push);
    if (event.type !== 'history.changed' || stop.signal.aborted) return;
    const work: Promise<void> = lookAtCommit(event).finally(() => looking.delete(work));
    looking.add(work);
  });

  async function settled(): Promise<void> {
    await follower.settled();
    await Promise.all(looking);
  }

  return {
    async start() {
      for (const push of deps.changedSince(deps.now() - lookBackMs)) {
        if (stop.signal.aborted) return;
        await follower.take(push);
      }
    },
    settled,
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await settled();
      stop.abort(new Error('the audit stops'));
    },
  };
}
