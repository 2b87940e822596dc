import { noAuditTrail } from '../core/audit.ts';
import { defaultBranchOnly } from '../core/environments.ts';
import { createBackgroundWork } from './background-work.ts';
import type { Builder, BuilderDeps } from './builder.ts';
import type { BuilderConfig } from './config.ts';
import { createCustomerGate } from './customers/customer-gate.ts';
import { openCustomers } from './customers/open-customers.ts';
import { createAcceptance } from './deliveries/acceptance.ts';
import { recoverHead } from './deliveries/recover-head.ts';
import { createPendingDeploys } from './deploys/pending-deploys.ts';
import { createPushJournal } from './deploys/push-journal.ts';
import { createPushJournals } from './deploys/push-journals.ts';
import { createRebuildAndCancel } from './deploys/rebuild-and-cancel.ts';
import { openFeedback } from './feedback/open-feedback.ts';
import { createPushAudit } from './feedback/push-audit.ts';
import { createRefusalAudit } from './feedback/refusal-audit.ts';
import { createAnnouncements } from './images/announcements.ts';
import { createForgeWatch } from './installations/forge-watch.ts';
import { openStores } from './open-stores.ts';
import { createPipelineContext } from './pipeline/create-pipeline-context.ts';
import { createHeldDeploys } from './pipeline/held-deploys.ts';
import { wasSuperseded } from './pipeline/pipeline-context.ts';
import { openQueue } from './queue/open-queue.ts';
import { createRetention } from './retention.ts';
import { createSqliteArrivalStore } from './webhooks/arrival-store-sqlite.ts';
import { createForgeIntake } from './webhooks/forge-intake.ts';
import { requestedRebuild } from './webhooks/requested-rebuilds.ts';

const defaultQueueRetry = { firstMs: 250, maxMs: 30_000 };
const defaultWebhookGraceMs = 3000;

/** From a push event to a live function: intake, queue, pipeline, records and logs. */
export async function createBuilder(config: BuilderConfig, deps: BuilderDeps): Promise<Builder> {
  const { logger, events, sourceAccess, refs = defaultBranchOnly } = deps;
  const trail = deps.audit?.trail ?? noAuditTrail;
  const now = deps.now ?? Date.now;
  const retry = config.retry ?? defaultQueueRetry;
  const webhookGraceMs = config.webhookGraceMs ?? defaultWebhookGraceMs;
  const forges = config.forges ?? {};
  const gitlabToken = deps.gitlabToken ?? (async () => undefined);
  const stores = await openStores(config, { logger, deliveryLog: deps.deliveryLog, now });
  const { durable, quick, deliveries, store, logs } = stores;

  const stop = new AbortController();
  const stopSignals = [stop.signal, deps.signal, deliveries.lost].filter((signal) => signal !== undefined);
  const stopped = AbortSignal.any(stopSignals);
  const background = createBackgroundWork(logger, stopped);
  let isStarting = false;
  let isStarted = false;

  const isSuperseded = (id: string) => wasSuperseded(store.push(id));
  const context = createPipelineContext(config, deps, {
    ...{ stores, refs, now, stopped },
    newerAnnouncement: (delivery) => announcements.newer(delivery),
    onHeld: (id) => heldDeploys.look(id),
    onStale(delivery, head) {
      const recovery = {
        deliveries,
        sourceAccess,
        gate,
        accept,
        wasSuperseded: isSuperseded,
        webhookGraceMs,
        stopped,
      };
      background.run('the head of a branch could not be queued', recoverHead(delivery, head, recovery));
    },
  });
  const onListenerFault = (error: unknown) =>
    logger.error({ err: error }, 'a change of a push could not be published');
  const journals = createPushJournals((delivery) =>
    createPushJournal(delivery, { store, logs, events, refs, now, onError: onListenerFault }),
  );
  const heldDeploys = createHeldDeploys({ store, deliveries, journals, context, background: background.run });
  const unsubscribe = events.subscribe((event) => {
    if (event.type === 'hold.ended') heldDeploys.look(event.buildId);
    if (event.type === 'events.missed' && isStarted) heldDeploys.lookAtAll();
  });
  const tidy = createRetention(config, stores, now);
  const { feed, pushQueue } = openQueue({ deliveries, journals, context, background, tidy, retry });

  // Before the start it waits with the former run's deliveries, so that all are taken up in order.
  async function takeUp(): Promise<void> {
    if (isStarted) await feed.wake();
  }

  const customers = await openCustomers(forges, { logger, now });
  const gate = createCustomerGate({
    customers,
    ownerPath: (scm, ownerId) => forgeWatch.ownerPath(scm, ownerId),
  });
  const accept = createAcceptance({
    ...{ deliveries, gate, gitOps: deps.gitOps, now, stopped },
    names: {
      settle: (event) => forgeWatch.settle(event),
      accepted: (event) => forgeWatch.accepted(event),
      departed: (event) => forgeWatch.departed(event),
    },
    onAccepted: () => void takeUp(),
  });
  const refusals = createRefusalAudit(trail, now);
  const announcements = createAnnouncements({ deliveries, store, images: deps.prebuilt, accept });
  const forgeWatch = createForgeWatch(
    { ...config, webhookGraceMs, retry },
    {
      ...{ database: durable, deliveries, sourceAccess, refs, logger, now, stopped, forges, gitlabToken },
      githubApp: deps.githubApp,
      isCustomers: gate.isCustomers,
      wasSuperseded: isSuperseded,
      arrive: (arrival) => forgeIntake.arrive(arrival),
      audit: trail,
      currentFunctions: (owner, environment) => deps.manifestWriter.current(owner, environment),
      accept,
      background: background.run,
    },
  );
  const forgeIntake = await createForgeIntake({
    ...{ customers, gate, forges, gitlabToken, gitOps: deps.gitOps, logger, now, retry: config.retry },
    onStranger: refusals.stranger,
    gitSecrets: config.webhookSecrets,
    arrivals: createSqliteArrivalStore(durable, (deliveryId, error) =>
      logger.error({ err: error, deliveryId }, 'what GitLab told of cannot be read and is left out'),
    ),
    accept: (event) => accept(event, 'hook'),
    installation: (event) => forgeWatch.put(event),
    async rebuild(request) {
      const event = await requestedRebuild(deliveries, request);
      if (event && gate.isCustomers(event)) await accept(event, 'rebuild');
    },
  });
  const feedback = openFeedback(deps.feedback, {
    ...{ database: quick, store, deliveries, events, logger, now },
    functionUrl: deps.functionUrl,
    log: (pushId, signal) => logs.read(pushId, 0, signal),
  });
  const pushAudit =
    deps.audit &&
    createPushAudit({
      ...deps.audit,
      ...{ events, logger, now },
      deliveryOf: (pushId) => deliveries.find(pushId),
      changedSince: (time) => store.changedSince(time),
      history: (query) => deps.manifestWriter.history(query),
    });

  async function idle(): Promise<void> {
    for (;;) {
      await forgeIntake.idle();
      await feed.idle();
      await pushQueue.idle();
      if (background.isEmpty()) return;
      await background.settled();
    }
  }

  return {
    webhook: forgeIntake.handle,
    async start() {
      if (isStarting) return;
      isStarting = true;
      // Before anything changes: what is read here must not replace what is newer.
      await feedback?.start();
      await pushAudit?.start();
      await heldDeploys.start();
      isStarted = true;
      await feed.wake();
      feed.start();
      forgeIntake.start();
      forgeWatch.start();
    },
    async drain() {
      await idle();
      await feedback?.settled();
      await pushAudit?.settled();
    },
    pushes: async (query) => store.pushes(query),
    push: async (id) => store.push(id),
    deploy: async (id) => store.deploy(id),
    latestDeploys: async (owner, environment) => store.latestDeploys(owner, environment),
    heldDeploys: async (owner) => store.heldDeploys(owner),
    async announce(image) {
      const announced = await refusals.ofAnnouncement(image, () => announcements.announce(image));
      await takeUp();
      return announced;
    },
    log: (pushId, after, signal) => logs.read(pushId, after, AbortSignal.any([signal, stopped])),
    ...createRebuildAndCancel({ deliveries, store, accept, takeUp, pushQueue, heldDeploys }),
    ...createPendingDeploys(store),
    async [Symbol.asyncDispose]() {
      unsubscribe();
      stop.abort(new Error('the build service stops'));
      await forgeIntake[Symbol.asyncDispose]();
      await customers[Symbol.asyncDispose]();
      refusals[Symbol.dispose]();
      await idle();
      await feedback?.[Symbol.asyncDispose]();
      await pushAudit?.[Symbol.asyncDispose]();
      await stores[Symbol.asyncDispose]();
    },
  };
}
