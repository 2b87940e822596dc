import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import type { BuildService } from '../core/build-service.ts';
import type { FunctionCatalog, PendingDeploys } from '../core/catalog.ts';
import { type DeployRecord, isEnd, type PushRecord } from '../core/deploy.ts';
import { defaultBranchOnly, type RefTargets } from '../core/environments.ts';
import { TowlineError } from '../core/errors.ts';
import type { EventBus } from '../core/events.ts';
import type { ManifestWriter } from '../core/manifest-writer.ts';
import type { Reconciler } from '../core/reconciler.ts';
import type { SourceEvent } from '../core/source-event.ts';
import { backoffMs } from '../runtime/backoff.ts';
import { delay } from '../runtime/lifecycle.ts';
import type { Logger } from '../runtime/logger.ts';
import type { BuilderConfig } from './config.ts';
import { createCustomerGate } from './customers/customer-gate.ts';
import { openCustomers } from './customers/open-customers.ts';
import type { AppendResult, Delivery, DeliveryLog, DeliveryOrigin } from './deliveries/delivery-log.ts';
import { createSqliteDeliveryLog } from './deliveries/delivery-log-sqlite.ts';
import { openDatabase } from './deliveries/open-database.ts';
import { chainEndOf, isPassedOver, missedPush, whoPushed } from './deliveries/recover-pushes.ts';
import { createSqliteDeployStore } from './deploys/deploy-store-sqlite.ts';
import { createPendingDeploys } from './deploys/pending-deploys.ts';
import { createPushJournal } from './deploys/push-journal.ts';
import { createPushJournals } from './deploys/push-journals.ts';
import type { BuildEngine } from './engines/build-engine.ts';
import { type FeedbackConfig, openFeedback } from './feedback/open-feedback.ts';
import { createAnnouncements } from './images/announcements.ts';
import { createForgeWatch } from './installations/forge-watch.ts';
import { createFileLogStore } from './logs/build-log-store-files.ts';
import { createS3LogStore } from './logs/build-log-store-s3.ts';
import { createHeldDeploys } from './pipeline/held-deploys.ts';
import type { PipelineContext } from './pipeline/pipeline-context.ts';
import type { PrebuiltImages } from './pipeline/prebuilt-images.ts';
import { processPush } from './pipeline/process-push.ts';
import { createDeliveryFeed } from './queue/delivery-feed.ts';
import { createFairSlots } from './queue/fair-slots.ts';
import { createPersistentQueue } from './queue/persistent-queue.ts';
import { createPushQueue } from './queue/push-queue.ts';
import { createSqliteBuiltImages } from './reuse/built-images-sqlite.ts';
import type { BuildSecrets } from './secrets/build-secrets.ts';
import { refHead } from './source/branch-head.ts';
import type { SourceAccess } from './source/source-access.ts';
import type { TemplateCatalog } from './templates/template.ts';
import { createSqliteArrivalStore } from './webhooks/arrival-store-sqlite.ts';
import { createForgeIntake } from './webhooks/forge-intake.ts';
import { type GitOpsRepository, unlessOfGitOps } from './webhooks/gitops-repository.ts';
import { requestedRebuild } from './webhooks/requested-rebuilds.ts';

export { type BuilderConfig, builderSettings } from './config.ts';
export type { DeliveryLog } from './deliveries/delivery-log.ts';
export type { BuildEngine } from './engines/build-engine.ts';
export { createBuildkitEngine } from './engines/build-engine-buildkit.ts';
export { createDockerEngine, dockerRegistry, installationLabel } from './engines/build-engine-docker.ts';
export { createProcessEngine } from './engines/build-engine-process.ts';
export { buildkitConfig, dockerImages } from './engines/buildkit-settings.ts';
export { findDockerCommand } from './engines/docker-command.ts';
export { connectDocker, requireEngine } from './engines/docker-connection.ts';
export type { PullLogin } from './engines/registry-logins.ts';

import type { GitHubApp } from './github/github-app.ts';

export type { RegistryPattern } from '../runtime/registry/registry-pattern.ts';
export { openRegistries } from './engines/open-registries.ts';
export { createGitHubApp, type GitHubApp } from './github/github-app.ts';
export type { PrebuiltImages } from './pipeline/prebuilt-images.ts';
export { createPrebuiltImages } from './prebuilt/prebuilt-images-registry.ts';
export type { BuildSecrets } from './secrets/build-secrets.ts';
export { createFolderBuildSecrets } from './secrets/build-secrets-folder.ts';
export type { SourceAccess } from './source/source-access.ts';
export { createGitHubSourceAccess } from './source/source-access-github.ts';
export { openTemplates } from './templates/open-templates.ts';
export type { TemplateCatalog } from './templates/template.ts';

export interface BuilderDeps {
  logger: Logger;
  manifestWriter: ManifestWriter;
  reconciler: Reconciler;
  events: EventBus;
  sourceAccess: SourceAccess;
  /** Where deliveries are kept, which whoever opened it closes; a file of its own if it isn't given. */
  deliveryLog?: DeliveryLog | undefined;
  engine: BuildEngine;
  templates: TemplateCatalog;
  /** Images that are deployed as they are; without it everything is built. */
  prebuilt?: PrebuiltImages | undefined;
  /** Which pushes go where; only default branches, to the default environment, if it isn't given. */
  refs?: RefTargets | undefined;
  functionUrl: (owner: string, functionName: string, environment?: string) => string;
  /** Of an environment: tells which version stays live when a deploy fails; without it nothing is claimed. */
  catalogOf?: ((environment?: string) => FunctionCatalog | undefined) | undefined;
  /** What builds may read; without it a function that names one fails. */
  buildSecrets?: BuildSecrets | undefined;
  /** For GitLab's API, by a project's full path; without it only public projects are found. */
  gitlabToken?: ((path: string) => Promise<string | undefined>) | undefined;
  /** Tells forges what becomes of their commits; without it nobody is told. */
  feedback?: FeedbackConfig | undefined;
  /** Where the platform commits to: nothing of it is built, and its pushes are told. */
  gitOps?: GitOpsRepository | undefined;
  /** Asked for what it could not deliver; without it only branch heads are compared. */
  githubApp?: GitHubApp | undefined;
  now?: (() => number) | undefined;
  random?: (() => number) | undefined;
  /** Aborting it stops the work as disposing does; dispose still has to be called. */
  signal?: AbortSignal | undefined;
}

export interface Builder extends BuildService, PendingDeploys, AsyncDisposable {
  /** Handles `/webhooks/*`. */
  webhook: (req: IncomingMessage, res: ServerResponse) => void;
  /** Takes up what a former run left, and finds pushes whose webhook never came. Webhooks may arrive before. */
  start(): Promise<void>;
  /** Resolves when no push is queued or running. */
  drain(): Promise<void>;
}

const defaultQueueRetry = { firstMs: 250, maxMs: 30_000 };
const defaultKeepPushes = 500;
const defaultWebhookGraceMs = 3000;
/** Deliveries are kept longer than pushes, to know a redelivery by. */
const deliveriesPerPush = 4;
const defaultLogMaxAgeMs = 30 * 24 * 60 * 60_000;
/** An image that no push has asked for as long is built again. */
const builtImageMaxAgeMs = 90 * 24 * 60 * 60_000;
const defaultMaxAllLogBytes = 5_000_000_000;
const logSweepMs = 60 * 60_000;
/** How many times the concurrent builds may have clones on the disk. */
const workspacesPerBuild = 4;

const waitsForHold = ({ state }: DeployRecord) => state === 'held';

function whyNotCancelled({ state, ref, deploys }: PushRecord): string | undefined {
  if (deploys.some(waitsForHold)) return undefined;
  if (state === 'done') return 'the push has ended already';
  if (ref === '') return 'the removal of a repository cannot be cancelled';
  const isOpen = (deploy: DeployRecord) => !isEnd(deploy.state) && deploy.gitopsCommit === null;
  if (deploys.length === 0 || deploys.some(isOpen)) return undefined;
  return 'everything of it is committed already: roll back what should not stay';
}

/** From a push event to a live function: intake, queue, pipeline, records and logs. */
export async function createBuilder(config: BuilderConfig, deps: BuilderDeps): Promise<Builder> {
  const { logger, events, sourceAccess, refs = defaultBranchOnly } = deps;
  const now = deps.now ?? Date.now;
  const keepPushes = config.keepPushes ?? defaultKeepPushes;
  const workDir = join(config.workDir, 'builder');
  // Clones and contexts of a run that died.
  await rm(workDir, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(config.databasePath), { recursive: true });

  const durable = openDatabase(config.databasePath, 'FULL');
  const quick = openDatabase(config.databasePath, 'NORMAL');
  const deliveries =
    deps.deliveryLog ??
    createSqliteDeliveryLog(durable, (deliveryId, error) =>
      logger.error({ err: error, deliveryId }, 'a delivery cannot be read and is left out'),
    );
  const store = createSqliteDeployStore(quick);
  const builtImages = createSqliteBuiltImages(quick, now);
  const logOptions = {
    dir: config.logsDir,
    maxBytes: config.maxLogBytes,
    onError: (error: unknown) => logger.error({ err: error }, 'a build log could not be written'),
  };
  const { logBucket } = config;
  const logs = logBucket
    ? createS3LogStore({ ...logOptions, bucket: logBucket })
    : createFileLogStore(logOptions);

  const stop = new AbortController();
  const stopSignals = [stop.signal, deps.signal, deliveries.lost].filter((signal) => signal !== undefined);
  const stopped = AbortSignal.any(stopSignals);
  const background = new Set<Promise<void>>();
  let sweptAt = 0;
  let isStarting = false;
  let isStarted = false;

  function inBackground(what: string, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        if (!stopped.aborted) logger.error({ err: error }, what);
      })
      .finally(() => background.delete(tracked));
    background.add(tracked);
  }

  async function tidy({ event }: Delivery): Promise<void> {
    await deliveries.prune(event, keepPushes * deliveriesPerPush);
    const { ownerId, name: repo } = event.repository;
    for (const id of store.prune({ ownerId, repo }, keepPushes)) await logs.remove(id);
    if (now() - sweptAt < logSweepMs) return;
    sweptAt = now();
    builtImages.removeOlderThan(sweptAt - builtImageMaxAgeMs);
    const after = sweptAt - (config.logMaxAgeMs ?? defaultLogMaxAgeMs);
    await logs.retain({ after, maxBytes: config.maxAllLogBytes ?? defaultMaxAllLogBytes });
  }

  /** The head's own webhook is most likely on its way, and knows who pushed. */
  async function recoverHead({ event }: Delivery, head: string): Promise<void> {
    if (event.type !== 'push' || !gate.isCustomers(event)) return;
    await delay(config.webhookGraceMs ?? defaultWebhookGraceMs, stopped);
    const { repository, scm, ref, installationId } = event;
    const seen = { repository, scm, ref, head, installationId };
    // Looked at twice: finding out who pushed takes its time, and the webhook may come meanwhile.
    if (!(await missedPush(deliveries, seen))) return;
    const actor = await whoPushed(sourceAccess, seen, stopped);
    const missed = await missedPush(deliveries, { ...seen, actor });
    if (missed) await accept(missed, 'recovered');
  }

  const { maxConcurrentBuilds } = config;
  const context: PipelineContext = {
    config,
    workDir,
    logger,
    manifestWriter: deps.manifestWriter,
    reconciler: deps.reconciler,
    engine: deps.engine,
    templates: deps.templates,
    prebuilt: deps.prebuilt,
    buildSecrets: deps.buildSecrets,
    builtImages,
    answerOf: (of) => store.answerOf(of),
    sourceAccess,
    refs,
    catalogOf: deps.catalogOf ?? (() => undefined),
    deployRecord: (id) => store.deploy(id),
    newerAnnouncement: (delivery) => announcements.newer(delivery),
    functionUrl: deps.functionUrl,
    isLate: async ({ event, origin }) => {
      if (event.type !== 'push' || origin === 'rebuild') return false;
      const end = await chainEndOf(deliveries, event);
      return end !== undefined && end.after !== event.after;
    },
    isPassedOver: (event, head) => isPassedOver(deliveries, event, head),
    random: deps.random ?? Math.random,
    now,
    workspaces: createFairSlots({
      total: maxConcurrentBuilds * workspacesPerBuild,
      perOwner: maxConcurrentBuilds,
    }),
    builds: createFairSlots({
      total: maxConcurrentBuilds,
      // One place is always left for others, however long an owner's builds take.
      perOwner: Math.max(1, maxConcurrentBuilds - 1),
    }),
    stopped,
    onHeld: (id) => heldDeploys.look(id),
    onRemovalWaits: ({ owner, ownerId }) => events.publish({ type: 'removals.changed', owner, ownerId }),
    onStale: (delivery, head) =>
      inBackground('the head of a branch could not be queued', recoverHead(delivery, head)),
  };

  const onListenerFault = (error: unknown) =>
    logger.error({ err: error }, 'a change of a push could not be published');
  const journals = createPushJournals((delivery) =>
    createPushJournal(delivery, { store, logs, events, refs, now, onError: onListenerFault }),
  );
  const heldDeploys = createHeldDeploys({ store, deliveries, journals, context, background: inBackground });
  const unsubscribe = events.subscribe((event) => {
    if (event.type === 'hold.ended') heldDeploys.look(event.buildId);
    if (event.type === 'events.missed' && isStarted) heldDeploys.lookAtAll();
  });
  const pushQueue = createPushQueue({
    openJournal: journals.open,
    process: (task) => processPush(task, context),
    refs,
    async headOf({ event }) {
      if (event.type !== 'push') return undefined;
      const location = await sourceAccess.locate(event.repository, event);
      return refHead({ location, path: config.path }, event.ref, stopped);
    },
    async onDone(delivery) {
      await deliveries.done(delivery.event.id);
      inBackground('old records could not be removed', tidy(delivery));
    },
    onFault: (delivery, error) =>
      logger.error({ err: error, deliveryId: delivery.event.id }, 'a push could not be processed'),
    stopped,
  });
  const queue = createPersistentQueue({
    add: pushQueue.add,
    wait: (tries) => delay(backoffMs(tries, config.retry ?? defaultQueueRetry), stopped),
    background: (work) => inBackground('an accepted push could not be queued', work),
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
    retry: config.retry ?? defaultQueueRetry,
    onFault: (error) => logger.error({ err: error }, 'accepted deliveries cannot be read; they wait'),
    stopped,
  });

  async function append(
    event: SourceEvent,
    origin: DeliveryOrigin,
    isForced: boolean,
  ): Promise<AppendResult> {
    const entry = { event, origin, receivedAt: now(), ...(isForced ? { isForced } : {}) };
    const result = await deliveries.append(entry);
    if (result.type === 'accepted') forgeWatch.accepted(event);
    return result;
  }

  async function accept(seen: SourceEvent, origin: DeliveryOrigin, isForced = false): Promise<AppendResult> {
    if (stopped.aborted) throw new TowlineError('unavailable', 'the build service is stopping');
    const told = unlessOfGitOps(seen, deps.gitOps);
    gate.admit(told, origin);
    // What is built again was settled when it came.
    const settled = origin === 'rebuild' ? { before: [], event: told } : await forgeWatch.settle(told);
    // Told by a former owner's webhook: what is heard that late is as good as heard already.
    if (!settled) return { type: 'duplicate', id: told.id };
    for (const departure of settled.before) {
      await append(departure, origin, false);
      forgeWatch.departed(departure);
    }
    const result = await append(settled.event, origin, isForced);
    // Before the start it waits with the former run's deliveries, so that all are taken up in order.
    if (result.type === 'accepted' && isStarted) void feed.wake();
    return result;
  }

  const customers = await openCustomers(config.forges ?? {}, { logger, now });
  const gate = createCustomerGate({
    customers,
    ownerPath: (scm, ownerId) => forgeWatch.ownerPath(scm, ownerId),
  });
  const announcements = createAnnouncements({ deliveries, store, images: deps.prebuilt, accept });

  async function idle(): Promise<void> {
    for (;;) {
      await forgeIntake.idle();
      await feed.idle();
      await pushQueue.idle();
      if (background.size === 0) return;
      await Promise.all(background);
    }
  }

  const forgeWatch = createForgeWatch(
    {
      ...config,
      webhookGraceMs: config.webhookGraceMs ?? defaultWebhookGraceMs,
      retry: config.retry ?? defaultQueueRetry,
    },
    {
      ...{ database: durable, deliveries, sourceAccess, refs, logger, now, stopped },
      forges: config.forges ?? {},
      githubApp: deps.githubApp,
      gitlabToken: deps.gitlabToken ?? (async () => undefined),
      isCustomers: gate.isCustomers,
      arrive: (arrival) => forgeIntake.arrive(arrival),
      currentFunctions: (owner, environment) => deps.manifestWriter.current(owner, environment),
      accept,
      background: inBackground,
    },
  );
  const forgeIntake = await createForgeIntake({
    ...{ customers, gate },
    gitSecrets: config.webhookSecrets,
    forges: config.forges ?? {},
    arrivals: createSqliteArrivalStore(durable, (deliveryId, error) =>
      logger.error({ err: error, deliveryId }, 'what GitLab told of cannot be read and is left out'),
    ),
    gitlabToken: deps.gitlabToken ?? (async () => undefined),
    accept: (event) => accept(event, 'hook'),
    installation: (event) => forgeWatch.put(event),
    gitOps: deps.gitOps,
    async rebuild(request) {
      const event = await requestedRebuild(deliveries, request);
      if (event && gate.isCustomers(event)) await accept(event, 'rebuild');
    },
    logger,
    now,
    retry: config.retry,
  });

  const feedback = openFeedback(deps.feedback, {
    ...{ database: quick, store, deliveries, events, logger, now },
    functionUrl: deps.functionUrl,
    log: (pushId, signal) => logs.read(pushId, 0, signal),
    history: (query) => deps.manifestWriter.history(query),
  });

  return {
    webhook: forgeIntake.handle,
    async start() {
      if (isStarting) return;
      isStarting = true;
      // Before anything changes: what is read here must not replace what is newer.
      await feedback?.start();
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
    },
    pushes: async (query) => store.pushes(query),
    push: async (id) => store.push(id),
    deploy: async (id) => store.deploy(id),
    latestDeploys: async (owner, environment) => store.latestDeploys(owner, environment),
    heldDeploys: async (owner) => store.heldDeploys(owner),
    async announce(image) {
      const announced = await announcements.announce(image);
      if (isStarted) await feed.wake();
      return announced;
    },
    log: (pushId, after, signal) => logs.read(pushId, after, AbortSignal.any([signal, stopped])),
    async rebuild(pushId, actor, options = {}) {
      const event = (await deliveries.find(pushId))?.event;
      if (!event) throw new TowlineError('not_found', 'there is no such push');
      if (event.type === 'repository-deleted') {
        throw new TowlineError('conflict', 'only what was pushed or announced can be deployed again');
      }
      // What announcements are known by.
      const id = `${event.type === 'image' ? 'image-' : ''}rebuild-${randomUUID()}`;
      await accept({ ...event, id, actor }, 'rebuild', options.force);
      // Whoever gets the id asks for the push next.
      if (isStarted) await feed.wake();
      return id;
    },
    async cancel(pushId, actor) {
      const push = store.push(pushId);
      if (!push) throw new TowlineError('not_found', 'there is no such push');
      const whyNot = whyNotCancelled(push);
      if (whyNot !== undefined) throw new TowlineError('conflict', whyNot);
      // On disk first: a push that is cancelled stays so, whatever dies now.
      if (await deliveries.cancel(pushId, actor)) pushQueue.cancel(pushId, actor);
      for (const { id } of push.deploys.filter(waitsForHold)) heldDeploys.look(id);
    },
    ...createPendingDeploys(store),
    async [Symbol.asyncDispose]() {
      unsubscribe();
      stop.abort(new Error('the build service stops'));
      await forgeIntake[Symbol.asyncDispose]();
      await customers[Symbol.asyncDispose]();
      await idle();
      await feedback?.[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      quick.close();
      durable.close();
    },
  };
}
