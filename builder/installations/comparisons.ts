import { setImmediate as nextTurn } from 'node:timers/promises';
import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { MissedHeads } from '../deliveries/recover-pushes.ts';
import { createFairSlots } from '../queue/fair-slots.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { createPatience } from './event-lanes.ts';
import type { ComparisonMark, InstallationStore } from './installation-store.ts';

export interface ComparisonsDeps {
  store: Pick<InstallationStore, 'toCompare' | 'comparisons' | 'comparison' | 'compared'>;
  /** `restored`: repositories that came or came back, whose pushes nobody was told of. */
  findMissed: (known: readonly KnownRepository[], origin: 'recovered' | 'restored') => Promise<MissedHeads>;
  /** A repository is free again for whoever waited for it, or has to be tried again. */
  onFree: () => void;
  /** Tracks work that goes on by itself. */
  background: (what: string, work: Promise<void>) => void;
  retry: { firstMs: number; maxMs: number };
  logger: Logger;
  now: () => number;
  signal: AbortSignal;
}

/** Compares the branches of repositories with what was built, each owner in its turn. */
export interface Comparisons {
  /** To be compared by `work`; on disk when it returns. */
  mark(known: readonly KnownRepository[]): void;
  /** Begins with what is marked, but for what somebody else has to be at first. */
  work(blocked: ReadonlySet<string>): void;
  isUnderWay(lane: string): boolean;
  /**
   * Milliseconds since the epoch when `work` has to try one again that failed; `undefined`: none, or only such as are under
   * way or wait for somebody who tells when they end.
   */
  retryAt(): number | undefined;
  /**
   * Tries those that gave no answer again, too. Resolves when all of these have been asked. Throws what the first of them
   * failed with.
   */
  all(known: readonly KnownRepository[], graceMs: number): Promise<void>;
}

/** Repositories that are asked at the same time; no owner takes all of the places. */
const places = { total: 6, perOwner: 4 };
/** Of an owner: what they missed is queued before the next are asked. */
const chunk = 20;
/** In a row without an answer; what goes on without one waits for the next comparison of all. */
const maxTries = 8;

type Waiting = Omit<ComparisonMark, 'known'>;

const ownerOf = ({ scm, repository }: KnownRepository) => `${scm}:${repository.ownerId}`;

export function createComparisons(deps: ComparisonsDeps): Comparisons {
  const { store, signal, logger, now } = deps;
  const slots = createFairSlots(places);
  const patience = createPatience(deps.retry, now);
  const underWay = new Set<string>();
  const workers = new Map<string, number>();
  let waiting: Map<string, Waiting[]> | undefined;
  let blocked: ReadonlySet<string> = new Set();
  let lookedAt = 0;
  const silent = new Set<string>();

  /** By owner, in order. Only their numbers are kept at hand. */
  function lines(): Map<string, Waiting[]> {
    waiting ??= Map.groupBy(store.comparisons(), ({ owner }) => owner);
    return waiting;
  }

  const mayGo = (one: Waiting) =>
    !blocked.has(one.lane) && !underWay.has(one.lane) && !silent.has(one.lane) && patience.isDue(one.lane);

  function end({ seq, owner, lane }: Waiting): void {
    store.compared(seq);
    patience.done(lane);
    const left = lines()
      .get(owner)
      ?.filter((each) => each.seq !== seq);
    if (left?.length) lines().set(owner, left);
    else lines().delete(owner);
  }

  function putOff(lane: string, hasAnswered: boolean): void {
    patience.failed(lane);
    if (hasAnswered || patience.tries(lane) < maxTries) return;
    patience.done(lane);
    silent.add(lane);
  }

  /** `false`: it has to be tried again. */
  async function compareMarked(one: Waiting): Promise<boolean> {
    const { seq, owner, lane } = one;
    underWay.add(lane);
    let hasAnswered = true;
    try {
      using _slot = await slots.acquire(owner, signal);
      // Whoever took the repository away meanwhile took this with it.
      const known = store.comparison(seq);
      const missed = known && (await deps.findMissed([known], 'restored'));
      await missed?.recover(0);
      hasAnswered = missed?.isWhole !== false;
      if (!hasAnswered) {
        throw new TowlineError('remote_unavailable', 'the forge did not tell where its branches are');
      }
      end(one);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      putOff(lane, hasAnswered);
      logger.warn({ err: error, lane }, 'the branches of a repository that came cannot be compared yet');
      return false;
    } finally {
      underWay.delete(lane);
    }
  }

  async function workOf(owner: string): Promise<void> {
    try {
      for (;;) {
        const next = lines().get(owner)?.find(mayGo);
        if (!next || signal.aborted) return;
        if (!(await compareMarked(next)) || blocked.has(next.lane)) deps.onFree();
        await nextTurn();
      }
    } finally {
      workers.set(owner, (workers.get(owner) ?? 1) - 1);
      if (workers.get(owner) === 0) workers.delete(owner);
    }
  }

  async function findIn(owner: string, one: KnownRepository): Promise<MissedHeads> {
    using _slot = await slots.acquire(owner, signal);
    return deps.findMissed([one], 'recovered');
  }

  async function allOf(owner: string, known: readonly KnownRepository[], graceMs: number): Promise<void> {
    for (let start = 0; start < known.length; start += chunk) {
      const found = await Promise.all(known.slice(start, start + chunk).map((one) => findIn(owner, one)));
      const missed = found.filter(({ isEmpty }) => !isEmpty);
      await Promise.all(missed.map((each) => each.recover(graceMs)));
    }
  }

  return {
    mark(known) {
      if (known.length === 0) return;
      const marks = known.map((one) => ({ known: one, owner: ownerOf(one), lane: laneOfRepository(one) }));
      store.toCompare(marks);
      for (const { lane } of marks) {
        patience.done(lane);
        silent.delete(lane);
      }
      waiting = undefined;
    },
    work(others) {
      blocked = others;
      lookedAt = now();
      for (const [owner, line] of lines()) {
        const free = Math.min(places.perOwner - (workers.get(owner) ?? 0), line.filter(mayGo).length);
        for (let count = 0; count < free; count += 1) {
          workers.set(owner, (workers.get(owner) ?? 0) + 1);
          deps.background('repositories that came could not be compared', workOf(owner));
        }
      }
    },
    isUnderWay: (lane) => underWay.has(lane),
    retryAt: () => patience.nextAt(lookedAt),
    async all(known, graceMs) {
      if (silent.size > 0) {
        silent.clear();
        deps.onFree();
      }
      // A host of one's own tells by itself of all that it has, also of what nobody knew.
      const own = known.filter(({ scm }) => scm === 'git');
      const owners = Map.groupBy(
        known.filter(({ scm }) => scm !== 'git'),
        ownerOf,
      );
      const ended = await Promise.allSettled([
        deps.findMissed(own, 'recovered').then((found) => found.recover(graceMs)),
        ...[...owners].map(([owner, theirs]) => allOf(owner, theirs, graceMs)),
      ]);
      const failed = ended.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}

/** As in `lanesOf`. */
function laneOfRepository({ scm, repository }: KnownRepository): string {
  return `${scm}:repository:${repository.id}`;
}
