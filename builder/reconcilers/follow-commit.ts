import type { FunctionCatalog } from '../../core/catalog.ts';
import type { FollowOutcome, FollowTarget, GitOpsCommits } from '../../core/reconciler.ts';
import type { ChangeSignal } from '../../runtime/change-signal.ts';
import { progressOf } from './function-outcome.ts';
import { createPatience } from './patience.ts';

/** A commit that the engine has applied and that contains the followed one, or why there will be none. */
export type Applied = { commit: string } | { failed: FollowOutcome };

interface FollowDeps {
  /** Of the engine's objects and of the catalog. */
  changes: ChangeSignal;
  catalog: FunctionCatalog;
  commits: GitOpsCommits;
  troubleMs: number;
  now: () => number;
}

/** Milliseconds after which a follower looks again at what git may only know by then. */
const lookAgainMs = 1_000;

/** What is the same whichever engine applies: after "applied" the catalog decides, and git tells what was replaced. */
export function createFollowing({ changes, catalog, commits, troubleMs, now }: FollowDeps) {
  async function isReplaced(target: FollowTarget, applied: Applied | undefined): Promise<boolean> {
    if (!applied || !('commit' in applied)) return false;
    const wanted = await commits.wantedDigest(applied.commit, target).catch(() => undefined);
    if (wanted !== undefined && wanted !== target.digest) return true;
    // Either the cluster is on its way there, or git cannot say.
    setTimeout(() => changes.notify(), lookAgainMs).unref();
    return false;
  }

  function outcomeFor(target: FollowTarget, applied: () => Promise<Applied | undefined>) {
    const waiting = createPatience(troubleMs, now, () => changes.notify());
    return async (): Promise<FollowOutcome | undefined> => {
      const progress = progressOf(target.digest, catalog.lookup(target.owner, target.functionName));
      if (progress.type !== 'troubled') waiting.reset();
      switch (progress.type) {
        case 'done':
          return progress.outcome;
        case 'troubled':
          return waiting.isOver() ? progress.outcome : undefined;
        case 'waiting':
          return undefined;
        case 'different':
          return (await isReplaced(target, await applied())) ? { type: 'superseded' } : undefined;
      }
    };
  }

  return async (
    target: FollowTarget,
    applied: () => Promise<Applied | undefined>,
    onApplied: () => void,
    signal: AbortSignal,
  ): Promise<FollowOutcome> => {
    const first = await changes.untilKnown(applied, signal);
    if ('failed' in first) return first.failed;
    onApplied();
    return changes.untilKnown(outcomeFor(target, applied), signal);
  };
}
