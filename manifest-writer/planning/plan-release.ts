import { heldReason, holdOf } from '../holding/hold.ts';
import { whyOutOfDate } from '../holding/out-of-date.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import type { BranchView } from './branch-view.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext } from './decision.ts';
import { planDeploy } from './plan-deploy.ts';

/** The file whose waiting deploy is to be taken up. */
export interface ReleaseIntent {
  path: string;
}

/** Deploys what waited for a function that is no longer held, unless something else was deployed meanwhile. */
export function planRelease(
  { path }: ReleaseIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  const nothing = (reason: string) => outcome({ type: 'skipped', reason });

  async function decide(view: BranchView): Promise<Decision> {
    const waits = context.waiting?.deploy(path);
    if (!waits) return nothing('nothing waits');
    // What the batch does to it before is in the history only once it is pushed.
    if (view.isPending(path)) return { type: 'later' };
    const history = await view.history();
    const done = await history.byBuild(path, waits.intent.buildId);
    const gone = done ? undefined : await whyOutOfDate(waits, history, repository);
    if (gone !== undefined) return nothing(gone);
    const hold = done ? undefined : holdOf(await view.text(path));
    if (hold !== undefined) return outcome({ type: 'held', reason: heldReason(hold) });
    return await planDeploy({ ...waits.intent, trigger: 'push' }, context).decide(view);
  }
  return { paths: [path], decide };
}
