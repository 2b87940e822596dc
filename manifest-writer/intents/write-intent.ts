import { randomUUID } from 'node:crypto';
import type {
  DeployIntent,
  HoldIntent,
  PromoteIntent,
  RemoveIntent,
  RevertIntent,
  SecretsIntent,
  UndoIntent,
} from '../../core/manifest-writer.ts';
import type { PlannedIntent, PlanningContext } from '../planning/decision.ts';
import { planDeploy } from '../planning/plan-deploy.ts';
import { planHold } from '../planning/plan-hold.ts';
import { planPromote } from '../planning/plan-promote.ts';
import { planRelease, type ReleaseIntent } from '../planning/plan-release.ts';
import { planRemove } from '../planning/plan-remove.ts';
import { planRevert, planUndo } from '../planning/plan-revert.ts';
import { planWithdraw, type WithdrawIntent } from '../planning/plan-withdraw.ts';
import { withSetUp } from '../provisioning/with-set-up.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import { planSecrets } from '../secrets/plan-secrets.ts';
import type { NewIntent } from './intent-log.ts';

/** Everything that can be asked of the writer. */
export type WriteIntent =
  | { kind: 'deploy'; intent: DeployIntent }
  | { kind: 'remove'; intent: RemoveIntent }
  | { kind: 'revert'; intent: RevertIntent }
  | { kind: 'undo'; intent: UndoIntent }
  | { kind: 'hold' | 'resume'; intent: HoldIntent }
  | { kind: 'release'; intent: ReleaseIntent }
  | { kind: 'withdraw'; intent: WithdrawIntent }
  | { kind: 'promote'; intent: PromoteIntent }
  | { kind: 'secrets'; intent: SecretsIntent };

/** As it is kept. Each build deploys or promotes each function once; every other wish is a new one unless its caller names it. */
export function keptIntent({ kind, intent }: WriteIntent, id: string = randomUUID()): NewIntent {
  if (kind === 'promote' && intent.buildId !== undefined) {
    const { owner, functionName, to, buildId } = intent;
    return { id: `promote:${JSON.stringify([owner, functionName, to, buildId])}`, kind, body: intent };
  }
  if (kind !== 'deploy') return { id: `${kind}:${id}`, kind, body: intent };
  const { owner, functionName } = intent.spec;
  const place = [owner, functionName, intent.buildId, ...(intent.environment ? [intent.environment] : [])];
  return { id: `deploy:${JSON.stringify(place)}`, kind, body: intent };
}

/** The opposite of `keptIntent`, made ready to be decided. */
export function planIntent(
  intent: NewIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  return withSetUp(planOf(intent, context, repository), context);
}

function planOf(
  { kind, body }: NewIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  switch (kind) {
    case 'deploy':
      return planDeploy(body as DeployIntent, context);
    case 'remove':
      return planRemove(body as RemoveIntent, context);
    case 'revert':
      return planRevert(body as RevertIntent, context, repository);
    case 'undo':
      return planUndo(body as UndoIntent, context, repository);
    case 'hold':
    case 'resume':
      return planHold(kind, body as HoldIntent, context);
    case 'release':
      return planRelease(body as ReleaseIntent, context, repository);
    case 'withdraw':
      return planWithdraw(body as WithdrawIntent, context);
    case 'promote':
      return planPromote(body as PromoteIntent, context, repository);
    case 'secrets':
      return planSecrets(body as SecretsIntent, context);
    default:
      throw new Error(`an intent of the unknown kind ${JSON.stringify(kind)}`);
  }
}
