import { isEnd } from '../../core/deploy.ts';
import type { WriteDelay } from '../../core/manifest-writer.ts';
import type { RemovedTogether } from '../../core/source-event.ts';
import { deployId } from '../deploys/push-journal.ts';
import { recordOutcome } from './commit-function.ts';
import { followDeploy } from './follow-deploy.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { settleError } from './settle.ts';
import { checkHead } from './workspace.ts';

export interface Removal {
  environment: string;
  /** Which of the repository's functions go. */
  isGone: (functionName: string) => boolean;
  reason: string;
  together?: RemovedTogether | undefined;
}

/** Functions of the push's own repository that are deployed and gone; a removal of before a restart is among them. */
async function findGone(task: PushTask, context: PipelineContext, removal: Removal): Promise<string[]> {
  const { event } = task.delivery;
  const { owner, name } = event.repository;
  const signal = interruption(task, context);
  const current = await patiently(task, context, { stage: 'commit', signal }, () =>
    context.manifestWriter.current(owner, removal.environment),
  );
  return current
    .filter((found) => found.owner === owner && found.repo === name && removal.isGone(found.functionName))
    .map((found) => found.functionName);
}

/** Removal records that a dead run left open although their functions are gone: they got their commit. */
function closeFinished(task: PushTask, environment: string, gone: readonly string[]): void {
  const { journal } = task;
  for (const { id, functionName, state, gitopsCommit } of journal.deploys()) {
    const isRemoval = id === deployId(task.delivery.event.id, functionName, 'remove', environment);
    if (!isRemoval || isEnd(state) || gitopsCommit !== null || gone.includes(functionName ?? '')) continue;
    journal.change(id, { state: 'removed' });
  }
}

async function commitRemoval(
  task: PushTask,
  context: PipelineContext,
  gone: string[],
  { environment, reason, together }: Removal,
): Promise<string[]> {
  const { journal, delivery } = task;
  const { event } = delivery;
  const { owner, ownerId, name: repo } = event.repository;
  const ids = gone.map((functionName) => journal.open(functionName, 'remove', environment).id);
  for (const id of ids) journal.change(id, { stage: 'commit' });
  const signal = interruption(task, context);
  try {
    const outcome = await patiently(task, context, { stage: 'commit', signal }, async () => {
      if (event.type === 'push') await checkHead(task, context, event);
      task.superseded.throwIfAborted();
      const sourceCommit = event.type === 'push' ? event.after : null;
      const what = { owner, ownerId, environment, functionNames: gone, repo };
      const intent = { ...what, sourceCommit, reason, actor: event.actor, together };
      // The writer keeps the intent and goes on by itself.
      const onWaiting = (delay: WriteDelay | undefined) => {
        if (delay) journal.say({ kind: 'warning', stage: 'commit', text: `waiting: ${delay.message}` });
      };
      return context.manifestWriter.remove(intent, context.stopped, { onWaiting });
    });
    for (const id of ids) await recordOutcome(task, context, id, outcome);
    if (outcome.type === 'needs-confirmation') context.onRemovalWaits(event.repository);
  } catch (error) {
    for (const id of ids) await settleError(task, context, { id, stage: 'commit', error });
  }
  return ids.filter((id) => journal.deploy(id).gitopsCommit !== null);
}

/** Removes, in one commit, what is gone from the repository. Gives the ids of the records to follow. */
async function removeGone(task: PushTask, context: PipelineContext, removal: Removal): Promise<string[]> {
  const gone = await findGone(task, context, removal);
  closeFinished(task, removal.environment, gone);
  if (gone.length === 0) return [];
  return commitRemoval(task, context, gone, removal);
}

/** Resolves once the removal is committed; `followed` once the functions are stopped. */
export async function removeFunctions(
  task: PushTask,
  context: PipelineContext,
  removal: Removal,
): Promise<{ followed: Promise<unknown> }> {
  try {
    const ids = await removeGone(task, context, removal);
    return { followed: Promise.allSettled(ids.map((id) => followDeploy(task, context, id))) };
  } catch (error) {
    if (context.stopped.aborted) throw error;
    if (!task.superseded.aborted) {
      context.logger.warn({ err: error, pushId: task.journal.pushId }, 'functions could not be removed');
      const text = 'functions that are gone could not be removed; the next push tries again';
      task.journal.say({ kind: 'error', stage: 'commit', text });
    }
    return { followed: Promise.resolve() };
  }
}
