import { heldReason, holdOf } from '../holding/hold.ts';
import type { WaitingDeploy } from '../holding/waiting-store.ts';
import { readFunction } from '../render/read-function.ts';
import type { BranchView } from './branch-view.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext } from './decision.ts';
import { planDeploy } from './plan-deploy.ts';

/** The file whose waiting deploy is to be taken up. */
export interface ReleaseIntent {
  path: string;
}

/** Deploys what waited for a function that is no longer held, unless something else was deployed meanwhile. */
export function planRelease({ path }: ReleaseIntent, context: PlanningContext): PlannedIntent {
  const nothing = (reason: string) => outcome({ type: 'skipped', reason });

  async function decide(view: BranchView): Promise<Decision> {
    const waits = context.waiting?.deploy(path);
    if (!waits) return nothing('nothing waits');
    const done = (await view.history()).byBuild(path, waits.intent.buildId);
    const hold = done ? undefined : holdOf(await view.text(path));
    if (hold !== undefined) return outcome({ type: 'held', reason: heldReason(hold) });
    const gone = done ? undefined : await whyOutOfDate(view, waits);
    if (gone !== undefined) return nothing(gone);
    return await planDeploy({ ...waits.intent, trigger: 'push' }, context).decide(view);
  }
  return { paths: [path], decide };
}

/** A rollback, a removal or a newer deploy since it began to wait is the later word. */
async function whyOutOfDate(view: BranchView, { path, base }: WaitingDeploy): Promise<string | undefined> {
  const text = await view.text(path);
  if (text === null) return 'the function was removed while it was held';
  if (readFunction(text)?.spec.image !== base) return 'something else was deployed while it was held';
  return undefined;
}
