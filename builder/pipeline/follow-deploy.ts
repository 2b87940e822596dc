import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';
import type { FollowOutcome } from '../../core/reconciler.ts';
import { type PipelineContext, type PushTask, Superseded } from './pipeline-context.ts';
import { failDeploy, supersedeDeploy } from './settle.ts';

async function follow(task: PushTask, context: PipelineContext, id: string): Promise<FollowOutcome> {
  const { journal } = task;
  const { owner, environment, functionName, gitopsCommit, image } = journal.deploy(id);
  const tooLong = new AbortController();
  const limitMs = context.config.readyFollowTimeoutMs;
  const timer = setTimeout(() => tooLong.abort(), limitMs);
  const onWaiting = (why: string | null) => tellWaiting(task, id, why);
  const onApplied = () => {
    if (journal.deploy(id).state === 'committed') journal.change(id, { state: 'applied', stage: 'live' });
  };
  const target = {
    owner,
    environment,
    functionName: functionName ?? '',
    commit: gitopsCommit ?? '',
    digest: image === null ? null : (digestOf(image) ?? null),
  };
  // Of the run before this one, if the service was restarted.
  if (journal.deploy(id).waiting !== undefined) journal.change(id, { waiting: undefined });
  try {
    context.reconciler.nudge();
    const signal = AbortSignal.any([context.stopped, tooLong.signal]);
    return await context.reconciler.follow(target, onApplied, signal, onWaiting);
  } catch (error) {
    if (context.stopped.aborted || !tooLong.signal.aborted) throw error;
    const { waiting } = journal.deploy(id);
    const late = `it was not ${image === null ? 'removed' : 'ready'} within ${Math.round(limitMs / 1000)} s`;
    const cause = {
      code: 'timeout',
      message: waiting === undefined ? late : `${late}: ${waiting}`,
    } as const;
    return { type: 'failed', stage: 'live', cause };
  } finally {
    clearTimeout(timer);
  }
}

/** In the record for the dashboard and the forge, and in the log for who reads that. */
function tellWaiting({ journal }: PushTask, id: string, why: string | null): void {
  const { functionName, stage } = journal.deploy(id);
  const text = `${functionName} ${why === null ? 'goes on' : `waits: ${why}`}`;
  journal.say({ kind: why === null ? 'phase' : 'warning', stage, functionName, text });
  journal.change(id, { waiting: why ?? undefined });
}

/** Nobody has seen the version run: whoever deployed it shall know. */
function tellUntried(
  { journal }: PushTask,
  { logger }: PipelineContext,
  { owner, name, why }: { owner: string; name: string; why: string },
): void {
  const text = `${name} is live untried: it sleeps, and was not seen running: ${why}`;
  journal.say({ kind: 'warning', stage: 'live', functionName: name, text });
  logger.warn({ pushId: journal.pushId, owner, functionName: name, why }, 'a version is live untried');
}

/** Follows a committed deploy or removal to its end. A newer push doesn't stop this: the reconciler says what became of it. */
export async function followDeploy(task: PushTask, context: PipelineContext, id: string): Promise<void> {
  const { journal } = task;
  const name = journal.deploy(id).functionName ?? '';
  const { owner, environment } = journal.deploy(id);
  let outcome: FollowOutcome;
  try {
    outcome = await follow(task, context, id);
  } catch (error) {
    if (context.stopped.aborted) throw error;
    context.logger.error({ err: error, pushId: journal.pushId }, 'a deploy could not be followed');
    const known =
      error instanceof TowlineError
        ? error
        : new TowlineError('internal', 'the platform lost track of this deploy');
    outcome = { type: 'failed', stage: 'live', cause: { code: known.code, message: known.message } };
  }
  switch (outcome.type) {
    case 'live': {
      const url = context.functionUrl(owner, name, environment);
      journal.say({ kind: 'phase', stage: 'live', functionName: name, text: `${name} is live: ${url}` });
      if (outcome.untried !== undefined) tellUntried(task, context, { owner, name, why: outcome.untried });
      journal.change(id, { state: 'live', stage: 'live', cause: null });
      return;
    }
    case 'removed':
      journal.say({ kind: 'phase', stage: 'live', functionName: name, text: `${name} is removed` });
      journal.change(id, { state: 'removed', stage: 'live', cause: null });
      return;
    case 'superseded':
      return supersedeDeploy(task, id, new Superseded('a later commit'));
    case 'failed':
      return failDeploy(task, context, id, outcome);
  }
}
