import type { CatalogEntry, FunctionCatalog, Unseen } from '../../core/catalog.ts';
import type { FollowOutcome, FollowTarget, GitOpsCommits } from '../../core/reconciler.ts';
import type { RoutersView } from '../../core/routers.ts';
import type { ChangeSignal } from '../../runtime/change-signal.ts';
import { type Alarm, createAlarm } from './alarm.ts';
import { type FunctionProgress, progressOf } from './function-outcome.ts';
import { createPatience } from './patience.ts';
import { createRoutedCheck } from './routed-check.ts';
import { createSleeperTrial, type SleeperTrial } from './sleeper-trial.ts';
import { createWaitingNote, type WaitingNote } from './waiting-note.ts';

/** A commit that the engine has applied and that contains the followed one, or why there will be none. */
export type Applied = { commit: string } | { failed: FollowOutcome };

/** What one engine knows of the way of one commit. */
export interface Way {
  applied(): Promise<Applied | undefined>;
  /** Why it is not applied yet, as far as one can see. */
  whyNot(): string | undefined;
  /** Why nothing of the cluster can be seen. */
  whyBlind(): string | undefined;
}

interface FollowDeps {
  /** Of the engine's objects and of the catalog. */
  changes: ChangeSignal;
  catalog: FunctionCatalog;
  commits: GitOpsCommits;
  /** Without it the catalog is the routers' own. */
  routers?: RoutersView | undefined;
  troubleMs: number;
  now: () => number;
}

/** What wakes one who follows, and ends it. */
interface Follower {
  wake: () => void;
  alarm: Alarm;
  signal: AbortSignal;
}

/** Milliseconds after which a follower looks again at what git may only know by then. */
const lookAgainMs = 1_000;
/** What a version that sleeps may take to start, with its image to be pulled. */
const trialMs = 120_000;

/** What is the same whichever engine applies: after "applied" the catalog decides, then the routers; git tells what was replaced. */
export function createFollowing({ changes, catalog, commits, routers, troubleMs, now }: FollowDeps) {
  async function isReplaced(target: FollowTarget, applied: Applied | undefined, alarm: Alarm) {
    if (!applied || !('commit' in applied)) return false;
    const wanted = await commits.wantedDigest(applied.commit, target).catch(() => undefined);
    if (wanted !== undefined && wanted !== target.digest) return true;
    // Either the cluster is on its way there, or git cannot say.
    alarm.in(lookAgainMs);
    return false;
  }

  function outcomeFor(target: FollowTarget, way: Way, note: WaitingNote, { wake, alarm, signal }: Follower) {
    const waiting = createPatience(troubleMs, now, alarm);
    const routing = createRoutedCheck(routers, target, { now, alarm });
    const trial = createSleeperTrial(catalog, target, { ms: trialMs, wake });

    async function unlessUnrouted(outcome: FollowOutcome): Promise<FollowOutcome | undefined> {
      const unrouted = await routing.whyNot(signal);
      note.set(unrouted);
      return unrouted === undefined ? outcome : undefined;
    }

    const unlessStillWanted = async (): Promise<FollowOutcome | undefined> =>
      (await isReplaced(target, await way.applied(), alarm)) ? { type: 'superseded' } : undefined;

    return async (): Promise<FollowOutcome | undefined> => {
      const entry = catalog.lookup(target.owner, target.functionName);
      const unseen = catalog.unseen?.(target.owner);
      const progress = progressOf(target.digest, entry, unseen?.isBlank);
      if (progress.type !== 'troubled') waiting.reset();
      const end = endOf(progress, trial, signal);
      if (end) return unlessUnrouted(end);
      note.set(way.whyBlind() ?? whyUnfinished(progress, entry, unseen) ?? trial.whyUntried());
      if (progress.type === 'different') return unlessStillWanted();
      return progress.type === 'troubled' && waiting.isOver() ? progress.outcome : undefined;
    };
  }

  return async (
    target: FollowTarget,
    wayBy: (alarm: Alarm) => Way,
    onApplied: () => void,
    signal: AbortSignal,
    onWaiting: (why: string | null) => void = () => undefined,
  ): Promise<FollowOutcome> => {
    using own = changes.fork();
    const wake = () => own.notify();
    using alarm = createAlarm(wake, now);
    const way = wayBy(alarm);
    const note = createWaitingNote(onWaiting, { ms: troubleMs, now, alarm });
    const first = await own.untilKnown(async () => {
      const found = await way.applied();
      note.set(found ? undefined : way.whyNot());
      return found;
    }, signal);
    if ('failed' in first) return first.failed;
    onApplied();
    return await own.untilKnown(outcomeFor(target, way, note, { wake, alarm, signal }), signal);
  };
}

/** A version that sleeps has come to no end before it was tried. */
function endOf(
  progress: FunctionProgress,
  trial: SleeperTrial,
  signal: AbortSignal,
): FollowOutcome | undefined {
  if (progress.type === 'done') return progress.outcome;
  if (progress.type !== 'asleep' || trial.isUnderWay(signal)) return undefined;
  const untried = trial.whyUntried();
  return untried === undefined ? { type: 'live' } : { type: 'live', untried };
}

/** It is applied, and yet the cluster has something else, as far as it can be seen. */
function whyUnfinished(
  { type }: FunctionProgress,
  entry: CatalogEntry | undefined,
  unseen: Unseen | undefined,
): string | undefined {
  if (type === 'done' || type === 'asleep') return undefined;
  if (unseen) return `it is applied, but what becomes of it cannot be seen: ${unseen.cause}`;
  if (type !== 'different') return undefined;
  if (!entry) return 'it is applied, but the function is not there: somebody or something else deleted it';
  return entry.drift ?? `it is applied, but the cluster has ${entry.desiredImage}`;
}
