import { type DeployRecord, type DeployStage, isEnd } from '../../core/deploy.ts';
import type { ImageEvent, PushEvent, RepositoryDeletedEvent, SourceEvent } from '../../core/source-event.ts';
import { aborted } from '../../runtime/lifecycle.ts';
import { deployImage, dropIfLate } from '../images/deploy-image.ts';
import { readStack } from '../stack/read-stack.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import { buildFunction } from './build-function.ts';
import { commitFunction } from './commit-function.ts';
import { commitSecrets, readSecretsFile } from './commit-secrets.ts';
import { followDeploy } from './follow-deploy.ts';
import {
  type Dropped,
  environmentOf,
  type PipelineContext,
  type PushTask,
  Superseded,
  whyDropped,
} from './pipeline-context.ts';
import { promoteTag, type TagPush } from './promote-tag.ts';
import { removeFunctions } from './remove-functions.ts';
import { dropDeploy, failDeploy, settleError } from './settle.ts';
import { awaitHead, openWorkspace, type Workspace } from './workspace.ts';

/** The repository's next push may go on when this is given; `finished` is when this one's records have all ended. */
export interface Processed {
  finished: Promise<void>;
}

/** How far the functions of one push are; each function goes its own way. */
interface Progress {
  built: Promise<unknown>;
  committed: Promise<unknown>;
  settled: Promise<unknown>;
}

const maxWarnings = 50;

const openDeploys = (task: PushTask) => task.journal.deploys().filter((record) => !isEnd(record.state));

/** Without its source: what is committed, before a restart, is followed; the rest has ended or is dropped. */
async function endWithoutSource(task: PushTask, context: PipelineContext): Promise<Processed> {
  const open = openDeploys(task);
  const committed = open.filter((record) => record.gitopsCommit !== null);
  for (const record of open) {
    if (record.gitopsCommit === null) await dropDeploy(task, context, record.id);
  }
  const follows = committed.map((record) => followDeploy(task, context, record.id));
  return { finished: finish(task, context, Promise.allSettled(follows)) };
}

async function finish(task: PushTask, context: PipelineContext, settled: Promise<unknown>): Promise<void> {
  await settled;
  context.stopped.throwIfAborted();
  const { journal } = task;
  const isDropped = journal.deploys().length === 0 && task.superseded.aborted;
  if (isDropped) {
    const text = whyDropped(task.superseded.reason as Dropped);
    journal.say({ kind: 'phase', stage: 'queue', text });
    return journal.end(text);
  }
  const nothing = task.delivery.event.type === 'push' ? 'there is nothing to deploy' : 'it had no functions';
  await journal.end(journal.deploys().length === 0 ? nothing : undefined);
}

/** One function's way; every step ends its record itself if it doesn't lead on. */
function deployFunction(
  task: PushTask,
  context: PipelineContext,
  work: { event: PushEvent; fn: StackFunction; record: DeployRecord; stack: Stack; workspace: Workspace },
): Progress {
  const { event, fn, record, stack, workspace } = work;
  const { id } = record;
  if (isEnd(record.state)) {
    return { built: Promise.resolve(), committed: Promise.resolve(), settled: Promise.resolve() };
  }
  const isCommitted = record.gitopsCommit !== null;
  const built = isCommitted
    ? Promise.resolve(true)
    : buildFunction(task, context, {
        id,
        event,
        fn,
        copy: stack.copy,
        templates: stack.templates,
        workspace,
      });
  const committed = built.then(
    (isBuilt) => isCommitted || (isBuilt && commitFunction(task, context, { id, fn, event })),
  );
  const settled = committed.then((leadsOn) => (leadsOn ? followDeploy(task, context, id) : undefined));
  return { built, committed, settled };
}

/** The stack file's warnings are on every record, so that each function's page shows them. */
function openWithWarnings(task: PushTask, functionName: string, stack: Stack): DeployRecord {
  const record = task.journal.open(functionName);
  if (stack.warnings.length === 0 || record.warnings.length > 0) return record;
  return task.journal.change(record.id, { warnings: stack.warnings.slice(0, maxWarnings) });
}

async function deployStack(
  task: PushTask,
  context: PipelineContext,
  work: { event: PushEvent; stack: Stack; workspace: Workspace },
): Promise<Progress> {
  const { journal } = task;
  const { stack } = work;
  for (const warning of stack.warnings) journal.say({ kind: 'warning', stage: 'detect', text: warning });
  for (const { name, cause } of stack.refused) {
    const record = journal.open(name);
    if (!isEnd(record.state)) await failDeploy(task, context, record.id, { stage: 'detect', cause });
  }
  // All records are made before any work begins, so that a push shows all of its functions from the start.
  const opened = stack.functions.map((fn) => ({ fn, record: openWithWarnings(task, fn.name, stack) }));
  const ways = opened.map(({ fn, record }) => deployFunction(task, context, { ...work, fn, record }));
  return {
    built: Promise.allSettled(ways.map((way) => way.built)),
    committed: Promise.allSettled(ways.map((way) => way.committed)),
    settled: Promise.allSettled(ways.map((way) => way.settled)),
  };
}

/** The functions are unknown, unless they were known before a restart. */
async function failWithoutSource(
  task: PushTask,
  context: PipelineContext,
  stage: DeployStage,
  error: unknown,
): Promise<void> {
  const { journal } = task;
  const known = openDeploys(task).filter((record) => record.gitopsCommit === null);
  const records = journal.deploys().length === 0 ? [journal.open(null)] : known;
  for (const { id } of records) await settleError(task, context, { id, stage, error });
}

/** Clone and stack.yml. `undefined`: the push has ended here, on a record of its own. */
async function readSource(
  task: PushTask,
  context: PipelineContext,
  event: PushEvent,
): Promise<{ stack: Stack; workspace: Workspace } | undefined> {
  const { journal } = task;
  let stage: 'clone' | 'detect' = 'clone';
  let workspace: Workspace | undefined;
  try {
    journal.enterStage(stage);
    if (await context.isLate(task.delivery)) await awaitHead(task, context, event);
    workspace = await openWorkspace(task, context, event);
    journal.setSubject(workspace.subject);
    const text = `clone ${event.after.slice(0, 7)} ${workspace.subject}`;
    journal.say({ kind: 'phase', stage, text });
    stage = 'detect';
    journal.enterStage(stage);
    const stack = await readStack(workspace.sourceDir, {
      owner: event.repository.owner,
      languages: context.templates.languages(),
      acceptsOthers: context.templates.isOpen,
    });
    journal.stackRead();
    return { stack, workspace };
  } catch (error) {
    await workspace?.[Symbol.asyncDispose]();
    if (context.stopped.aborted) throw error;
    if (error instanceof Superseded) task.supersede(error);
    // Superseded before its functions are known: the push's note says so, no record is made.
    if (!task.superseded.aborted) await failWithoutSource(task, context, stage, error);
    return undefined;
  }
}

async function disposeAfter(
  context: PipelineContext,
  workspace: Workspace,
  built: Promise<unknown>,
): Promise<void> {
  await built;
  try {
    await workspace[Symbol.asyncDispose]();
  } catch (error) {
    context.logger.warn({ err: error }, 'a work folder could not be removed');
  }
}

/** Secrets are there before the functions that read them. `false`: the repository has none, any more. */
async function deploySecrets(
  task: PushTask,
  context: PipelineContext,
  { stack, workspace }: { stack: Stack; workspace: Workspace },
): Promise<boolean> {
  const file = await readSecretsFile(workspace.sourceDir);
  if ('text' in file && file.text === null) return false;
  const warning =
    'text' in file
      ? await commitSecrets(task, context, file.text, environmentOf(task, context))
      : file.warning;
  if (warning !== undefined) stack.warnings.push(warning);
  return true;
}

async function deployCommit(task: PushTask, context: PipelineContext, event: PushEvent): Promise<Processed> {
  const source = await readSource(task, context, event);
  if (!source) return endWithoutSource(task, context);
  const { stack, workspace } = source;
  let progress: Progress;
  let hasSecrets: boolean;
  try {
    hasSecrets = await deploySecrets(task, context, { stack, workspace });
    progress = await deployStack(task, context, { event, stack, workspace });
  } catch (error) {
    await workspace[Symbol.asyncDispose]();
    throw error;
  }
  const disposed = disposeAfter(context, workspace, progress.built);
  await progress.committed;
  context.stopped.throwIfAborted();
  const settled = Promise.all([progress.settled, disposed]);
  // What is committed is followed to its end, but a newer push needn't wait for that.
  await Promise.race([settled, aborted(task.superseded)]);
  context.stopped.throwIfAborted();
  if (task.superseded.aborted) return { finished: finish(task, context, settled) };
  const kept = new Set([...stack.functions.map((fn) => fn.name), ...stack.refused.map(({ name }) => name)]);
  const environment = environmentOf(task, context);
  const reason = `no longer in ${stack.file}`;
  const removal = { environment, isGone: (name: string) => !kept.has(name), reason };
  const { followed } = await removeFunctions(task, context, removal);
  // Secrets go after the functions that read them.
  if (!hasSecrets) await commitSecrets(task, context, null, environment);
  await Promise.race([followed, aborted(task.superseded)]);
  return { finished: finish(task, context, Promise.all([settled, followed])) };
}

/** Does all that an accepted delivery asks for. Rejects only when the service stops, or by a defect. */
export async function processPush(task: PushTask, context: PipelineContext): Promise<Processed> {
  const { journal, delivery } = task;
  const { event } = delivery;
  journal.start();
  if (journal.resumed) {
    journal.say({ kind: 'phase', stage: 'queue', text: 'taken up again after a restart' });
  }
  if (event.type === 'image') await dropIfLate(task, context);
  if (task.superseded.aborted) return endWithoutSource(task, context);
  if (event.type === 'image') return announce(task, context, event);
  if (event.type !== 'push') return removeRepository(task, context);
  const target = context.refs.forRef(event.ref, event.repository.defaultBranch, event.repository);
  if (target.way === 'promote') return promote(task, context, { event, target });
  return deployCommit(task, context, event);
}

async function announce(task: PushTask, context: PipelineContext, event: ImageEvent): Promise<Processed> {
  const { settled } = await deployImage(task, context, event);
  await Promise.race([settled, aborted(task.superseded)]);
  context.stopped.throwIfAborted();
  return { finished: finish(task, context, settled) };
}

const whyGone: Record<NonNullable<RepositoryDeletedEvent['reason']>, string> = {
  deleted: 'was deleted',
  archived: 'was archived',
  transferred: 'was transferred to another owner',
  removed: 'is no longer among those of the App',
  'opted-out': 'has opted out',
  uninstalled: 'is no longer served: the App was uninstalled',
};

function whyRemoved(event: SourceEvent): string {
  const reason = event.type === 'repository-deleted' ? event.reason : undefined;
  return `the repository ${event.repository.name} ${whyGone[reason ?? 'deleted']}`;
}

/** From every environment. */
async function removeRepository(task: PushTask, context: PipelineContext): Promise<Processed> {
  const { event } = task.delivery;
  const reason = whyRemoved(event);
  const together = event.type === 'repository-deleted' ? event.together : undefined;
  const ways: Promise<unknown>[] = [];
  for (const environment of context.refs.environments) {
    const removal = { environment, isGone: () => true, reason, together: together?.[environment] };
    const { followed } = await removeFunctions(task, context, removal);
    await commitSecrets(task, context, null, environment);
    ways.push(followed);
  }
  return { finished: finish(task, context, Promise.all(ways)) };
}

/** Of a newer push of the same tag: what is committed by then is followed to its end. */
async function promote(task: PushTask, context: PipelineContext, tag: TagPush): Promise<Processed> {
  try {
    const note = await promoteTag(task, context, tag);
    context.stopped.throwIfAborted();
    if (note === undefined) return { finished: finish(task, context, Promise.resolve()) };
    task.journal.say({ kind: 'phase', stage: 'detect', text: note });
    return { finished: task.journal.end(note) };
  } catch (error) {
    if (context.stopped.aborted) throw error;
    if (error instanceof Superseded) task.supersede(error);
    if (!task.superseded.aborted) await failWithoutSource(task, context, 'detect', error);
    return endWithoutSource(task, context);
  }
}
