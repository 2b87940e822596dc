import { TowlineError } from '../../core/errors.ts';
import { createSecretMask, type SecretMask } from '../secrets/mask-secrets.ts';
import type { Stack } from '../stack/stack.ts';
import { buildArgsOf, withProcess } from '../templates/build-inputs.ts';
import { buildImage, type ImageBuild } from './build-image.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { readBuildSecrets } from './read-build-secrets.ts';
import { resolveTemplate } from './resolve-template.ts';
import { causeOf, settleError } from './settle.ts';

export type FunctionBuild = Pick<ImageBuild, 'id' | 'event' | 'fn' | 'copy' | 'workspace'> & {
  templates: Stack['templates'];
};

const maxCause = 700;

/** What a program printed as the cause of its end may hold a secret too; it is cut once none is in it. */
function masked(error: unknown, mask: SecretMask): unknown {
  if (!(error instanceof TowlineError)) return error;
  const { code, message, place, hint, cause } = error;
  return new TowlineError(code, mask.text(message).slice(0, maxCause), { place, hint, cause });
}

/** The function's image without a build, where somebody else has built it. */
async function findPrebuilt(
  context: PipelineContext,
  work: FunctionBuild,
  how: Pick<ImageBuild, 'say' | 'signal'>,
): Promise<string | undefined> {
  const { fn, workspace, event } = work;
  const request = { fn, sourceDir: workspace.sourceDir, repository: event.repository, signal: how.signal };
  const found = await context.prebuilt?.find(request);
  if (found) how.say('phase', found.text);
  return found?.image;
}

async function build(
  task: PushTask,
  context: PipelineContext,
  work: FunctionBuild,
  how: Pick<ImageBuild, 'say' | 'signal'>,
): Promise<string> {
  const { fn, event, workspace } = work;
  const prebuilt = await findPrebuilt(context, work, how);
  if (prebuilt !== undefined) return prebuilt;
  const found = await resolveTemplate(context, fn, {
    references: work.templates,
    sourceDir: workspace.sourceDir,
    warn: (text) => how.say('warning', `${fn.name}: ${text}`),
    signal: how.signal,
  });
  const template = found && withProcess(found, fn);
  const buildArgs = buildArgsOf(fn, template);
  const secrets = await readBuildSecrets(context, event.repository.ownerId, fn);
  const mask = createSecretMask(Object.values(secrets));
  try {
    return await buildImage(task, context, { ...work, ...how, template, buildArgs, secrets, mask });
  } catch (error) {
    throw masked(error, mask);
  } finally {
    for (const rest of mask.end()) how.say('output', rest);
  }
}

/** Takes an image that is there already, or builds one: a full reference with its digest. Waits for what passes. */
async function findOrBuild(task: PushTask, context: PipelineContext, work: FunctionBuild): Promise<string> {
  const { journal } = task;
  const { id, fn } = work;
  const signal = interruption(task, context);
  const say: ImageBuild['say'] = (kind, text) =>
    journal.say({ kind, stage: 'build', functionName: fn.name, text });
  // What waits holds no place: the next try queues for one again.
  const onWaiting = (error?: TowlineError) =>
    void journal.change(id, { cause: error ? causeOf(error) : null });
  const patience = { stage: 'build', functionName: fn.name, signal, onWaiting } as const;
  return patiently(task, context, patience, () => build(task, context, work, { say, signal }));
}

/** The image is on the record then; `false`: the deploy has ended. */
export async function buildFunction(
  task: PushTask,
  context: PipelineContext,
  work: FunctionBuild,
): Promise<boolean> {
  try {
    const image = await findOrBuild(task, context, work);
    task.journal.change(work.id, { state: 'built', stage: 'commit', image });
    return true;
  } catch (error) {
    await settleError(task, context, { id: work.id, stage: 'build', error });
    return false;
  }
}
