import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RefTargets } from '../../core/environments.ts';
import type { InstallationEvent } from '../../core/forge-events.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { DeliveryLog } from '../deliveries/delivery-log.ts';
import { recoverPushes } from '../deliveries/recover-pushes.ts';
import type { GitHubApp } from '../github/github-app.ts';
import { createMissedDeliveries } from '../github/missed-deliveries.ts';
import type { KnownRepository, SourceAccess } from '../source/source-access.ts';
import type { ForgesConfig } from '../webhooks/forge-intake.ts';
import { gitlabRepository } from '../webhooks/gitlab-events.ts';
import { createGitLabProjects } from '../webhooks/gitlab-projects.ts';
import { createForgeNames, type ForgeNames } from './forge-names.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';
import { createInstallations } from './installations.ts';

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
  accept: (event: SourceEvent, origin: 'recovered' | 'restored') => Promise<unknown>;
  /** Tracks work that goes on by itself. */
  background: (what: string, work: Promise<void>) => void;
  logger: Logger;
  now: () => number;
  stopped: AbortSignal;
}

/** Keeps in step with forges: what they tell of installations, and what they could not tell. */
export interface ForgeWatch extends Pick<ForgeNames, 'settle' | 'accepted'> {
  /** Durable when it returns. */
  put(event: InstallationEvent): void;
  /** Takes up what a former run left, compares at once, and then again and again. */
  start(): void;
}

const defaultCompareMs = 10 * 60_000;
const longestWaitMs = 60_000;
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

  async function compare(
    known: readonly KnownRepository[],
    origin: 'recovered' | 'restored',
    graceMs: number,
  ): Promise<void> {
    const served = known.filter((each) => names.isServed(each));
    const emit = (event: SourceEvent) => deps.accept(event, origin);
    const common = { refs: deps.refs, signal: stopped, emit, graceMs };
    await recoverPushes(deliveries, deps.sourceAccess, { ...common, known: served });
  }

  const installations = createInstallations({
    ...{ store, names, logger, now, accept: (event) => deps.accept(event, 'recovered') },
    known: () => deliveries.repositories(),
    compare: (known) => (known.length > 0 ? compare(known, 'restored', 0) : Promise.resolve()),
    cloneUrlOf(scm, path) {
      const base = scm === 'github' ? github?.baseUrl : gitlab?.baseUrl;
      return scm === 'git' || base === undefined ? undefined : `${base}/${path}.git`;
    },
    async gitlabRepository({ id, path }) {
      const project = await projects?.find(id, path, stopped);
      return project && gitlab ? gitlabRepository(project, gitlab) : undefined;
    },
    graceMs: config.uninstallGraceMs,
  });

  async function compareAll(graceMs: number): Promise<void> {
    const known = [...(await deliveries.repositories()), ...(await installations.served())];
    await compare(known, 'recovered', graceMs);
  }

  async function askGitHub(): Promise<void> {
    if (!missed) return;
    const { since, redelivered, refused } = await missed.look(store.mark(deliveriesMark), stopped);
    store.setMark(deliveriesMark, since);
    if (redelivered > 0) logger.info({ redelivered }, 'GitHub delivers again what it could not deliver');
    if (refused > 0) logger.warn({ refused }, 'GitHub does not deliver again what it could not deliver');
  }

  /** Events are acted on in order, so one that has to wait for its forge holds up those behind it. */
  async function workPatiently(): Promise<void> {
    for (let tries = 1; !stopped.aborted; tries += 1) {
      try {
        return await installations.work();
      } catch (error) {
        stopped.throwIfAborted();
        logger.warn({ err: error }, 'what a forge told of installations waits');
        await delay(backoffMs(tries, config.retry), stopped);
      }
    }
  }

  function work(): void {
    if (isStarted) deps.background('what a forge told of installations was not acted on', workPatiently());
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
    deps.background('branch heads could not be compared', compared);
    deps.background('GitHub could not be asked for missed deliveries', asked);
    return Promise.allSettled([compared, asked]);
  }

  return {
    settle: names.settle,
    accepted: names.accepted,
    put(event) {
      installations.put(event);
      work();
    },
    start() {
      isStarted = true;
      work();
      void lookAround(0);
      const untilNext = () => {
        const wait = (installations.nextAt() ?? Number.POSITIVE_INFINITY) - now();
        return Math.max(10, Math.min(wait, longestWaitMs));
      };
      void again(untilNext, async () => work());
      void again(
        () => config.compareMs ?? defaultCompareMs,
        () => lookAround(config.webhookGraceMs),
      );
    },
  };
}
