import type { DeployCause, DeployStage } from '../../core/deploy.ts';
import { describeError, formatPlace, TowlineError } from '../../core/errors.ts';
import {
  Cancelled,
  type Dropped,
  type PipelineContext,
  type PushTask,
  Superseded,
  whyDropped,
} from './pipeline-context.ts';
import { whatStays } from './what-stays.ts';

/** The cause as people see it; what isn't meant for them goes to the platform's log only. */
export function causeOf(error: unknown): DeployCause {
  if (!(error instanceof TowlineError)) return { code: 'internal', message: describeError(error) };
  const { code, message, place, hint } = error;
  return { code, message, ...(place ? { place } : {}), ...(hint ? { hint } : {}) };
}

function causeText({ message, place, hint }: DeployCause): string {
  return `${place ? `${formatPlace(place)}: ` : ''}${message}${hint ? ` (${hint})` : ''}`;
}

/** Ends one function's deploy as failed, and says in the log what is served meanwhile. */
export async function failDeploy(
  task: PushTask,
  context: PipelineContext,
  id: string,
  failure: { stage: DeployStage; cause: DeployCause },
): Promise<void> {
  const { journal } = task;
  const { stage, cause } = failure;
  const record = journal.deploy(id);
  const { functionName } = record;
  const stays = functionName === null ? '' : await whatStays(context, { ...record, functionName });
  const text = `${functionName ?? 'push'} failed at ${stage}: ${causeText(cause)}${stays}`;
  journal.say({ kind: 'error', stage, functionName, text });
  journal.fail(id, stage, cause);
}

export function supersedeDeploy(task: PushTask, id: string, by: Superseded): void {
  const { functionName, stage } = task.journal.deploy(id);
  const text = `${functionName ?? 'push'}: ${whyDropped(by)}`;
  task.journal.say({ kind: 'phase', stage, functionName, text });
  task.journal.change(id, { state: 'superseded' });
}

/** Ends an uncommitted deploy of a push that is superseded or was cancelled. */
export async function dropDeploy(task: PushTask, context: PipelineContext, id: string): Promise<void> {
  const reason = task.superseded.reason as Dropped;
  if (!(reason instanceof Cancelled)) return supersedeDeploy(task, id, reason);
  const cause = { code: 'build_cancelled', message: whyDropped(reason) } as const;
  await failDeploy(task, context, id, { stage: task.journal.deploy(id).stage, cause });
}

/**
 * Ends a deploy by what stopped it. Throws on when the service stops: then nothing ended,
 * and the next start goes on here.
 */
export async function settleError(
  task: PushTask,
  context: PipelineContext,
  failed: { id: string; stage: DeployStage; error: unknown },
): Promise<void> {
  const { id, stage, error } = failed;
  if (context.stopped.aborted) throw error;
  // Found out by one function, true for its siblings too.
  if (error instanceof Superseded) task.supersede(error);
  if (task.superseded.aborted) return dropDeploy(task, context, id);
  if (!(error instanceof TowlineError) || error.cause !== undefined) {
    context.logger.warn({ err: error, pushId: task.journal.pushId, stage }, 'a deploy failed');
  }
  await failDeploy(task, context, id, { stage, cause: causeOf(error) });
}
