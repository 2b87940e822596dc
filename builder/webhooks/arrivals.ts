import { type ErrorCode, TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { ArrivalStore, StoredArrival } from './arrival-store.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';
import { completeArrival, type GitLabRules } from './gitlab-events.ts';
import type { GitLabProjects } from './gitlab-projects.ts';
import type { Outcome } from './translation.ts';

export interface ArrivalsDeps {
  store: ArrivalStore;
  projects: GitLabProjects;
  rules: GitLabRules;
  /** Durable when it resolves; may be called again with the same outcomes after a death. */
  take: (outcomes: readonly Outcome[]) => Promise<void>;
  logger: Logger;
  now?: (() => number) | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

export interface Arrivals extends AsyncDisposable {
  /** On disk when it resolves. */
  add(arrival: GitLabArrival): Promise<void>;
  start(): void;
  /** Resolves when nothing waits. */
  idle(): Promise<void>;
}

const defaultRetry = { firstMs: 500, maxMs: 60_000 };
const atOnce = 8;
/** Projects that are looked at before the next look at who is there. */
const batch = 500;
/** GitLab is asked for this long; after that a comparison of branch heads is what finds a push. */
const maxAgeMs = 24 * 60 * 60_000;

/** What fails the same way each time. */
const hopeless: ReadonlySet<ErrorCode> = new Set(['bad_request', 'name_taken', 'name_invalid', 'forbidden']);

type Verdict = 'done' | 'later';

/**
 * Asks GitLab about the projects of what arrived, one after the other for each project, and hands on what they come to.
 * While GitLab is away they wait.
 */
export function createArrivals(deps: ArrivalsDeps): Arrivals {
  const { store, projects, rules, take, logger, now = Date.now, retry = defaultRetry } = deps;
  const stop = new AbortController();
  let worker: Promise<void> | undefined;
  let isStarted = false;
  let failures = 0;
  let nudge = new AbortController();

  async function complete({ arrival, at }: StoredArrival): Promise<Verdict> {
    try {
      const project = await projects.find(arrival.projectId, arrival.path, stop.signal);
      await take(completeArrival(arrival, project, rules));
    } catch (error) {
      if (stop.signal.aborted) return 'later';
      const isHopeless = error instanceof TowlineError && hopeless.has(error.code);
      if (!isHopeless && now() - at < maxAgeMs) {
        if (failures === 0) logger.warn({ err: error }, 'what GitLab told of waits until it can be asked');
        return 'later';
      }
      logger.error({ err: error, deliveryId: arrival.id }, 'what GitLab told of is given up');
    }
    store.remove(arrival.id);
    return 'done';
  }

  /** One project that waits doesn't hold up the others. */
  async function completeAll(stored: StoredArrival[]): Promise<Verdict> {
    const verdicts = new Set<Verdict>();
    async function next(): Promise<void> {
      for (let each = stored.shift(); each && !stop.signal.aborted; each = stored.shift()) {
        verdicts.add(await complete(each));
      }
    }
    await Promise.all(Array.from({ length: atOnce }, next));
    return verdicts.has('done') ? 'done' : 'later';
  }

  async function pause(): Promise<void> {
    nudge = new AbortController();
    const signal = AbortSignal.any([stop.signal, nudge.signal]);
    await delay(backoffMs(failures, retry), signal).catch(() => {});
  }

  async function work(): Promise<void> {
    // In a later turn, when `worker` is this run.
    await Promise.resolve();
    try {
      for (let stored = store.oldest(batch); stored.length > 0; stored = store.oldest(batch)) {
        const verdict = await completeAll(stored);
        if (stop.signal.aborted) break;
        failures = verdict === 'later' ? failures + 1 : 0;
        if (failures > 0) await pause();
      }
    } catch (error) {
      logger.error({ err: error }, 'what GitLab told of could not be looked at');
    }
    // In the same turn as the last look, so that nothing comes between.
    worker = undefined;
  }

  function wake(): void {
    if (!isStarted || stop.signal.aborted) return;
    nudge.abort();
    worker ??= work();
  }

  return {
    async add(arrival) {
      await store.add(arrival, now());
      wake();
    },
    start() {
      isStarted = true;
      wake();
    },
    async idle() {
      while (worker) await worker;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the intake stops'));
      await worker;
    },
  };
}
