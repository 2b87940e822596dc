import { isEnd } from '../../core/deploy.ts';
import { TowlineError } from '../../core/errors.ts';
import { emptyConfiguration, type FunctionConfiguration } from '../../core/function-spec.ts';
import { parseImageReference } from '../../core/image-reference.ts';
import type { ImageEvent } from '../../core/source-event.ts';
import { commitFunction } from '../pipeline/commit-function.ts';
import { followDeploy } from '../pipeline/follow-deploy.ts';
import { patiently } from '../pipeline/patiently.ts';
import {
  interruption,
  type PipelineContext,
  type PushTask,
  Superseded,
} from '../pipeline/pipeline-context.ts';
import { causeOf, settleError } from '../pipeline/settle.ts';

/** An announcement that comes after a newer one, or was replaced while it waited, is dropped before it begins. */
export async function dropIfLate(task: PushTask, context: PipelineContext): Promise<void> {
  const newer = await context.newerAnnouncement(task.delivery);
  if (newer) task.supersede(new Superseded(newer.after.slice(0, 7)));
}

/** The image is there, and how it is to run is known. `undefined`: the deploy has ended. */
async function prepare(
  task: PushTask,
  context: PipelineContext,
  { id, event }: { id: string; event: ImageEvent },
): Promise<FunctionConfiguration | undefined> {
  const { journal } = task;
  const { functionName, image, repository } = event;
  const signal = interruption(task, context);
  const onWaiting = (error?: TowlineError) =>
    void journal.change(id, { cause: error ? causeOf(error) : null });
  const patience = { stage: 'build', functionName, signal, onWaiting } as const;
  journal.change(id, { state: 'building', stage: 'build' });
  try {
    const configuration = await patiently(task, context, patience, async () => {
      const reference = parseImageReference(image);
      if (!reference || !context.prebuilt) {
        throw new TowlineError('policy_refused', 'this installation deploys no images that others built');
      }
      await context.prebuilt.check(repository, reference, signal);
      if (event.configuration) return event.configuration;
      const deployed = { owner: repository.owner, functionName };
      return (await context.manifestWriter.configuration(deployed)) ?? emptyConfiguration();
    });
    journal.say({ kind: 'phase', stage: 'build', functionName, text: `${functionName}: no build: ${image}` });
    journal.change(id, { state: 'built', stage: 'commit', image, cause: null });
    return configuration;
  } catch (error) {
    await settleError(task, context, { id, stage: 'build', error });
    return undefined;
  }
}

/**
 * From an announced image to a commit, as for a push whose build is done. Resolves when it is committed or has
 * ended; `settled` when it is followed to its end.
 */
export async function deployImage(
  task: PushTask,
  context: PipelineContext,
  event: ImageEvent,
): Promise<{ settled: Promise<unknown> }> {
  const { journal } = task;
  const { functionName, actor, after } = event;
  journal.enterStage('detect');
  journal.setSubject(event.subject);
  const record = journal.open(functionName);
  const { id } = record;
  if (isEnd(record.state)) return { settled: Promise.resolve() };
  if (record.gitopsCommit !== null) return { settled: followDeploy(task, context, id) };
  const text = `${functionName}: image of ${after.slice(0, 7)} announced by ${actor.login || actor.name}`;
  journal.say({ kind: 'phase', stage: 'detect', functionName, text });
  const configuration = await prepare(task, context, { id, event });
  if (!configuration) return { settled: Promise.resolve() };
  const fn = { name: functionName, ...configuration };
  const isCommitted = await commitFunction(task, context, { id, fn, event });
  return { settled: isCommitted ? followDeploy(task, context, id) : Promise.resolve() };
}
