import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditTrail } from '../../core/audit.ts';
import type { RefTargets } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type { InstallationEvent } from '../../core/forge-events.ts';
import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { PushEvent, SourceEvent } from '../../core/source-event.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { DeliveryLog } from '../deliveries/delivery-log.ts';
import {
  findMissed,
  type MissedHeads,
  noneMissed,
  type WasSuperseded,
} from '../deliveries/recover-pushes.ts';
import type { GitHubApp } from '../github/github-app.ts';
import { createMissedDeliveries } from '../github/missed-deliveries.ts';
import type { KnownRepository, SourceAccess } from '../source/source-access.ts';
import type { ForgesConfig } from '../webhooks/forge-intake.ts';
import type { GitLabArrival } from '../webhooks/gitlab-arrival.ts';
import { gitlabRepository } from '../webhooks/gitlab-events.ts';
import { createGitLabProjects } from '../webhooks/gitlab-projects.ts';
import { createComparisons } from './comparisons.ts';
import { createForgeNames, type ForgeNames, type SettledEvent } from './forge-names.ts';
import { createForgeStanding } from './forge-standing.ts';
import { createGitLabSurvey } from './gitlab-survey.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';
import { createInstallations } from './installations.ts';
import { createRemovedTogether } from './removed-together.ts';

export interface ForgeWatchConfig {
  /** How often branch heads are compared, and GitHub is asked for what it could not deliver. Default: 10 minutes. */
  compareMs?: number | undefined;
  /** Between an uninstallation and the removal of what was deployed. Default: an hour. */
  uninstallGraceMs?: number | undefined;
  /** How long a webhook that is on its way may take. */
  webhookGraceMs: number;
  retry: { firstMs: number; maxMs: number };
}

export interface ForgeWatchDeps {
  /** In WAL mode with `synchronous = FULL`. */
  database: DatabaseSync;
  deliveries: DeliveryLog;
  sourceAccess: SourceAccess;
  refs: RefTargets;
  forges: ForgesConfig;
  githubApp?: GitHubApp | undefined;
  /** For GitLab's API, by a project's full path. */
  gitlabToken: (path: string) => Promise<string | undefined>;
  currentFunctions: ManifestWriter['current'];
  /** Whether it is a customer's. Throws `unavailable` while nobody knows. */
  isCustomers: (known: KnownRepository) => boolean;
  wasSuperseded: WasSuperseded;
  /** Takes what GitLab would have told. */
  arrive: (arrival: GitLabArrival) => Promise<void>;
  accept: (event: SourceEvent, origin: 'recovered' | 'restored') => Promise<unknown>;
  audit: AuditTrail;
  /** Tracks work that goes on by itself. */
  background: (what: string, work: Promise<void>) => void;
  logger: Logger;
  now: () => number;
  stopped: AbortSignal;
}

/** Keeps in step with forges: what they tell of installations, and what they could not tell. */
export interface ForgeWatch extends Pick<ForgeNames, 'accepted' | 'departed' | 'ownerPath'> {
  /**
   * As `ForgeNames.settle`; `undefined`: it is a push to a former owner's repository. Throws `remote_unavailable` while
   * the forge can't be asked whose it is.
   */
  settle(event: SourceEvent): Promise<SettledEvent | undefined>;
  /** Durable when it returns. */
  put(event: InstallationEvent): void;
  /** Takes up what a former run left, compares at once, and then again and again. */
  start(): void;
}

const defaultCompareMs = 10 * 60_000;
const longestWaitMs = 60_000;
const defaultGoneMs = 60 * 60_000;
const deliveriesMark = 'github-deliveries';

export function createForgeWatch(config: ForgeWatchConfig, deps: ForgeWatchDeps): ForgeWatch {
  const { deliveries, forges, githubApp, logger, now, stopped } = deps;
  const { github, gitlab } = forges;
  const missed = githubApp && createMissedDeliveries({ app: githubApp, now });
  const store = createSqliteInstallationStore(deps.database, (deliveryId, error) =>
    logger.error({ err: error, deliveryId }, 'what a forge told of cannot be read and is left out'),
  );
  const names = createForgeNames(store);
  const projects = gitlab && createGitLabProjects({ baseUrl: gitlab.baseUrl, token: deps.gitlabToken });
  let isStarted = false;
  let isWorking = false;
  /** Aborted when there is something new to act on. */
  let nudge = new AbortController();

  const gitlabProject = async ({ id, path }: { id: string; path: string }) => {
    const project = await projects?.find(id, path, stopped);
    return project && gitlab ? gitlabRepository(project, gitlab) : undefined;
  };
  const standing = createForgeStanding({ githubApp, gitlabRepository: gitlabProject, signal: stopped });

  /** A project says by its topics whether it is served, and often nobody tells when they change. */
  async function isServedStill(
    { id, scm, repository, actor }: PushEvent,
    origin: 'recovered' | 'restored',
  ): Promise<boolean> {
    if (scm !== 'gitlab') return true;
    const { ownerId, path = `${repository.owner}/${repository.name}`, private: isPrivate } = repository;
    const ref = { id: repository.id, path, private: isPrivate };
    try {
      const served = await standing.served({ scm, installationId: null, repositories: [ref], ownerId });
      if (served?.has(ref.id)) return true;
    } catch (error) {
      stopped.throwIfAborted();
      // What came back is tried again by itself; the next comparison of all would not bring it back.
      if (origin === 'restored') throw error;
      logger.warn({ err: error, repository: path }, 'a missed push waits for the next comparison');
      return false;
    }
    const about = { id: `opted-out-${id}`, scm, actor, installation: null } as const;
    put({ ...about, type: 'repositories', change: 'removed', reason: 'opted-out', repositories: [ref] });
    return false;
  }

  async function missedOf(
    known: readonly KnownRepository[],
    origin: 'recovered' | 'restored',
  ): Promise<MissedHeads> {
    const served = known.filter((each) => names.isServed(each) && deps.isCustomers(each));
    if (known.length > 0 && served.length === 0) return noneMissed;
    const emit = async (event: PushEvent) => {
      if (await isServedStill(event, origin)) await deps.accept(event, origin);
    };
    const common = { refs: deps.refs, signal: stopped, emit, wasSuperseded: deps.wasSuperseded };
    return findMissed(deliveries, deps.sourceAccess, { ...common, known: served });
  }

  const comparisons = createComparisons({
    ...{ store, logger, now, signal: stopped, retry: config.retry, background: deps.background },
    findMissed: missedOf,
    onFree: () => work(),
  });

  const installations = createInstallations({
    ...{ store, names, standing, logger, now, comparisons, audit: deps.audit, signal: stopped },
    ...{ accept: (event) => deps.accept(event, 'recovered') },
    known: () => deliveries.repositories(),
    together: createRemovedTogether({
      known: () => deliveries.repositories(),
      environments: deps.refs.environments,
      current: deps.currentFunctions,
    }),
    cloneUrlOf(scm, path) {
      const base = scm === 'github' ? github?.baseUrl : gitlab?.baseUrl;
      return scm === 'git' || base === undefined ? undefined : `${base}/${path}.git`;
    },
    gitlabRepository: gitlabProject,
    graceMs: config.uninstallGraceMs,
    retry: config.retry,
  });

  /** While nobody knows whether it is a customer's, it waits for the next comparison and holds up no others. */
  function isKnownCustomers(known: KnownRepository): boolean {
    try {
      return deps.isCustomers(known);
    } catch (error) {
      if (error instanceof TowlineError && error.code === 'unavailable') return false;
      throw error;
    }
  }

  /** A push may come long after its repository has moved on: only the forge can say which owner is the newer one. */
  async function isOwners({ scm, installationId, repository }: SourceEvent): Promise<boolean> {
    const { id, ownerId, owner, name, path = `${owner}/${name}` } = repository;
    const asked = { scm, ownerId, installationId: installationId ?? null, repositories: [{ id, path }] };
    return (await standing.served(asked))?.has(id) ?? false;
  }

  async function settle(event: SourceEvent): Promise<SettledEvent | undefined> {
    if (names.wouldMove(event) && !(await isOwners(event))) {
      const about = { deliveryId: event.id, repository: event.repository.path };
      logger.warn(about, 'a push to a former owner of its repository is left out');
      return undefined;
    }
    return names.settle(event);
  }

  /** What a death or a database that was away left over. */
  async function acceptDepartures(): Promise<void> {
    for (const departure of names.departures()) {
      await deps.accept(departure, 'recovered');
      names.departed(departure);
    }
  }

  async function compareAll(graceMs: number): Promise<void> {
    const known = [...(await deliveries.repositories()), ...(await installations.served())];
    await comparisons.all(known.filter(isKnownCustomers), graceMs);
  }

  const survey =
    gitlab &&
    projects &&
    createGitLabSurvey({
      ...{ store, projects, rules: gitlab, paths: gitlab.paths ?? [], isCustomers: isKnownCustomers },
      ...{ arrive: deps.arrive, graceMs: config.uninstallGraceMs ?? defaultGoneMs, logger, now },
    });

  async function askGitHub(): Promise<void> {
    if (!missed) return;
    const { since, redelivered, refused } = await missed.look(store.mark(deliveriesMark), stopped);
    store.setMark(deliveriesMark, since);
    if (redelivered > 0) logger.info({ redelivered }, 'GitHub delivers again what it could not deliver');
    if (refused > 0) logger.warn({ refused }, 'GitHub does not deliver again what it could not deliver');
  }

  /** Until nothing is asked for and nothing waits. */
  async function workThrough(): Promise<void> {
    for (let failures = 0; !stopped.aborted; ) {
      nudge = new AbortController();
      try {
        await installations.work();
        await acceptDepartures();
        failures = 0;
      } catch (error) {
        stopped.throwIfAborted();
        failures += 1;
        logger.error({ err: error }, 'what forges told of installations cannot be looked at');
      }
      const waits = failures > 0 ? backoffMs(failures, config.retry) : untilRetry();
      if (!nudge.signal.aborted && waits === undefined) {
        // In the same turn as the last look, so that nothing comes between.
        isWorking = false;
        return;
      }
      await delay(waits ?? 0, AbortSignal.any([stopped, nudge.signal])).catch(() => {});
    }
  }

  function untilRetry(): number | undefined {
    const times = [installations.retryAt(), comparisons.retryAt()].filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.max(1, Math.min(...times) - now());
  }

  function work(): void {
    if (!isStarted) return;
    nudge.abort();
    if (isWorking) return;
    isWorking = true;
    deps.background('what a forge told of installations was not acted on', workThrough());
  }

  function put(event: InstallationEvent): void {
    installations.put(event);
    work();
  }

  /** One after the other, however long one takes. */
  async function again(intervalMs: () => number, task: () => Promise<unknown>): Promise<void> {
    while (!stopped.aborted) {
      // Nothing that is only to be looked at again keeps the process alive.
      await sleep(intervalMs(), undefined, { signal: stopped, ref: false }).catch(() => {});
      if (!stopped.aborted) await task();
    }
  }

  /** Resolves when all have been asked. */
  function lookAround(graceMs: number): Promise<unknown> {
    const compared = compareAll(graceMs);
    const asked = askGitHub();
    const surveyed = survey?.(stopped) ?? Promise.resolve();
    deps.background('GitLab could not be asked for its projects', surveyed);
    deps.background('branch heads could not be compared', compared);
    deps.background('GitHub could not be asked for missed deliveries', asked);
    return Promise.allSettled([compared, asked, surveyed]);
  }

  return {
    settle,
    accepted: names.accepted,
    departed: names.departed,
    ownerPath: names.ownerPath,
    put,
    start() {
      isStarted = true;
      work();
      void lookAround(0);
      const untilNext = () => {
        const wait = (installations.nextAt() ?? Number.POSITIVE_INFINITY) - now();
        // What is told meanwhile is to be removed after the grace time at the earliest.
        return Math.max(10, Math.min(wait, longestWaitMs, config.uninstallGraceMs ?? defaultGoneMs));
      };
      void again(untilNext, async () => work());
      void again(
        () => config.compareMs ?? defaultCompareMs,
        () => lookAround(config.webhookGraceMs),
      );
    },
  };
}
