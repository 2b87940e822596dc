import type { DeployCause } from '../../core/deploy.ts';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import { entryName, type FunctionConfiguration } from '../../core/function-spec.ts';
import type { DeployIntent, WriteDelay, WriteOutcome } from '../../core/manifest-writer.ts';
import type { ImageEvent, PushEvent } from '../../core/source-event.ts';
import { isNews } from '../deliveries/delivery-log.ts';
import type { StackFunction } from '../stack/stack.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { causeOf, failDeploy, settleError } from './settle.ts';
import { checkHead } from './workspace.ts';

/** Of a stack file, or of an announced image. */
type Deployable = FunctionConfiguration &
  Partial<Pick<StackFunction, 'labelPlaces' | 'annotationPlaces'>> & { name: string };

function intentOf(
  task: PushTask,
  context: PipelineContext,
  { event, id, fn }: { event: PushEvent | ImageEvent; id: string; fn: Deployable },
): DeployIntent {
  const record = task.journal.deploy(id);
  const { repository, scm } = event;
  return {
    buildId: id,
    trigger: isNews(task.delivery) ? 'push' : 'rebuild',
    environment: record.environment,
    answeredBy: context.answerOf(record),
    spec: {
      owner: repository.owner,
      functionName: fn.name,
      image: record.image ?? '',
      environment: fn.environment,
      secrets: fn.secrets,
      labels: fn.labels,
      annotations: fn.annotations,
      limits: fn.limits,
      requests: fn.requests,
      constraints: fn.constraints,
      readOnlyRootFilesystem: fn.readOnlyRootFilesystem,
    },
    provenance: {
      owner: repository.owner,
      ownerId: repository.ownerId,
      repo: repository.name,
      branch: record.branch,
      sourceCommit: event.after,
      scm,
      private: repository.private,
      repoUrl: repository.cloneUrl,
    },
    sourceSubject: record.sourceSubject,
    actor: event.actor,
  };
}

const maxWarnings = 50;

type Written = Extract<WriteOutcome, { type: 'pushed' | 'unchanged' }>;

/** Where the first of what a refusal names is written; nothing of an announced image is. */
function refusedPlace(fn: Deployable, message: string): SourcePlace | undefined {
  const written = [['label', fn.labelPlaces] as const, ['annotation', fn.annotationPlaces] as const];
  for (const [kind, places] of written) {
    for (const [key, place] of Object.entries(places ?? {})) {
      if (message.includes(entryName(kind, key))) return place;
    }
  }
  return undefined;
}

/** Puts a write's result on the record; `false`: the deploy has ended. `placeOf`: what a refusal is about, in the source. */
export async function recordOutcome(
  task: PushTask,
  context: PipelineContext,
  id: string,
  outcome: WriteOutcome,
  placeOf?: (message: string) => SourcePlace | undefined,
): Promise<boolean> {
  const { journal } = task;
  const name = journal.deploy(id).functionName ?? '';
  switch (outcome.type) {
    case 'pushed':
    case 'unchanged':
      recordCommit(task, id, outcome);
      return true;
    case 'skipped':
      journal.say({ kind: 'phase', stage: 'commit', functionName: name, text: `${name}: ${outcome.reason}` });
      journal.change(id, { state: 'skipped', cause: { code: 'conflict', message: outcome.reason } });
      return false;
    case 'held': {
      const text = `built, not live: ${outcome.reason}`;
      journal.say({ kind: 'warning', stage: 'commit', functionName: name, text: `${name}: ${text}` });
      journal.change(id, { state: 'held', cause: { code: 'conflict', message: outcome.reason } });
      context.onHeld(id);
      return false;
    }
    case 'needs-confirmation':
      journal.say({
        kind: 'warning',
        stage: 'commit',
        functionName: name,
        text: `${name}: ${outcome.message}`,
      });
      journal.change(id, { state: 'skipped', cause: { code: 'conflict', message: outcome.message } });
      return false;
    case 'refused':
      await failDeploy(task, context, id, {
        stage: 'commit',
        cause: refusedCause(outcome, placeOf?.(outcome.message)),
      });
      return false;
    case 'conflict':
      await failDeploy(task, context, id, {
        stage: 'commit',
        cause: { code: 'conflict', message: outcome.message },
      });
      return false;
  }
}

function refusedCause(
  { code, message }: Extract<WriteOutcome, { type: 'refused' }>,
  place: SourcePlace | undefined,
): DeployCause {
  return { code, message, ...(place && { place }) };
}

function recordCommit(task: PushTask, id: string, outcome: Written): void {
  const { journal } = task;
  const name = journal.deploy(id).functionName ?? '';
  const written = outcome.written.find((one) => one.functionName === name);
  const number = written?.number ?? null;
  for (const text of written?.warnings ?? []) {
    journal.say({ kind: 'warning', stage: 'commit', functionName: name, text: `${name}: ${text}` });
  }
  const which = number === null ? '' : `#${number} `;
  const verb = outcome.type === 'pushed' ? 'committed as' : 'nothing to change since deploy';
  const text = `${name}: ${verb} ${which}(gitops ${outcome.commit.slice(0, 7)})`;
  journal.say({ kind: 'phase', stage: 'commit', functionName: name, text });
  journal.change(id, {
    state: 'committed',
    stage: 'apply',
    cause: null,
    gitopsCommit: outcome.commit,
    number,
    warnings: [...journal.deploy(id).warnings, ...(written?.warnings ?? [])].slice(0, maxWarnings),
  });
}

/**
 * Commits a built function, unless the branch has moved on. From the writer's call on nothing supersedes it:
 * the commit may be made. `false`: the deploy has ended.
 */
export async function commitFunction(
  task: PushTask,
  context: PipelineContext,
  work: { id: string; fn: Deployable; event: PushEvent | ImageEvent },
): Promise<boolean> {
  const { id, fn, event } = work;
  const { journal } = task;
  const onWaiting = (error?: unknown) => void journal.change(id, { cause: error ? causeOf(error) : null });
  const patience = {
    stage: 'commit',
    functionName: fn.name,
    signal: interruption(task, context),
    onWaiting,
  } as const;
  /** The writer keeps the intent and goes on by itself. */
  const onWriteDelay = (delay: WriteDelay | undefined) => {
    onWaiting(delay && new TowlineError(delay.code, delay.message));
    if (!delay) return;
    const text = `waiting: ${delay.message}`;
    journal.say({ kind: 'warning', stage: 'commit', functionName: fn.name, text });
  };
  try {
    const outcome = await patiently(task, context, patience, async () => {
      if (event.type === 'push') await checkHead(task, context, event);
      task.superseded.throwIfAborted();
      const intent = intentOf(task, context, { event, id, fn });
      return context.manifestWriter.deploy(intent, context.stopped, { onWaiting: onWriteDelay });
    });
    return await recordOutcome(task, context, id, outcome, (message) => refusedPlace(fn, message));
  } catch (error) {
    await settleError(task, context, { id, stage: 'commit', error });
    return false;
  }
}
