import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { BranchView } from './branch-view.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext } from './decision.ts';

/** A deploy that waits for its function to be resumed, and is no longer wanted. */
export interface WithdrawIntent {
  path: string;
  buildId: string;
  reason: string;
}

/** Ends what waits, in its turn with a release of the same file: it goes live or it is withdrawn, never both. */
export function planWithdraw(
  { path, buildId, reason }: WithdrawIntent,
  { waiting }: PlanningContext,
): PlannedIntent {
  const withdrawn: WriteOutcome = { type: 'refused', code: 'build_cancelled', message: reason };

  async function decide(view: BranchView): Promise<Decision> {
    if (view.isPending(path)) return { type: 'later' };
    const isReleased = (await (await view.history()).byBuild(path, buildId)) !== undefined;
    if (isReleased || waiting?.deploy(path)?.intent.buildId !== buildId) {
      return outcome({ type: 'skipped', reason: 'it waits no more' });
    }
    waiting.endDeploy(path, buildId, withdrawn);
    return outcome(withdrawn);
  }
  return { paths: [path], decide };
}
