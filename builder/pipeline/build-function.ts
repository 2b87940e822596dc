import { rm } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { imageName } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { assembleContext } from '../context/assemble-context.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import type { Template } from '../templates/template.ts';
import { imageLabels } from './image-labels.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { resolveTemplate } from './resolve-template.ts';
import { causeOf, settleError } from './settle.ts';
import type { Workspace } from './workspace.ts';

export interface FunctionBuild {
  id: string;
  event: PushEvent;
  fn: StackFunction;
  copy: Stack['copy'];
  templates: Stack['templates'];
  workspace: Workspace;
}

type Say = (kind: 'phase' | 'output' | 'warning', text: string) => void;

/** One function's build, once its template is known. */
interface Preparation extends FunctionBuild {
  template: Template | null;
  say: Say;
  signal: AbortSignal;
}

/** A full disk passes, as an engine that is away does: others' builds end and make room. */
function asPassing(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new TowlineError('engine_unavailable', 'the build service has no room left on its disk', {
    cause: error,
  });
}

/** The function's image without a build, where somebody else has built it. */
async function findPrebuilt(context: PipelineContext, build: Preparation): Promise<string | undefined> {
  const { fn, workspace, event, signal, say } = build;
  const { sourceDir } = workspace;
  const found = await context.prebuilt?.find({ fn, sourceDir, repository: event.repository, signal });
  if (found) say('phase', found.text);
  return found?.image;
}

async function buildContext(
  task: PushTask,
  context: PipelineContext,
  build: Preparation & { contextDir: string },
): Promise<string> {
  const { id, event, fn, template, contextDir, say, signal } = build;
  const { engine, config } = context;
  const record = task.journal.deploy(id);
  const { owner, repo, branch, sourceCommit } = record;
  const name = { registry: engine.registry, owner, repo, functionName: fn.name };
  const image = imageName({ ...name, branch, sha: sourceCommit });
  const { digest } = await engine.build({
    buildId: id,
    owner,
    repo,
    functionName: fn.name,
    contextDir,
    template,
    buildArgs: fn.buildArgs,
    secrets: {},
    platforms: fn.platforms,
    image,
    labels: imageLabels(record, event),
    timeoutMs: config.buildTimeoutMs,
    onLine: (line) => say('output', line),
    onPhase: (text) => say('phase', `${fn.name}: ${text}`),
    signal,
  });
  signal.throwIfAborted();
  return `${image}@${digest}`;
}

/** Takes a place among the builds, puts the context together and makes the image of it. */
async function buildInTurn(task: PushTask, context: PipelineContext, build: Preparation): Promise<string> {
  const { fn, template, copy, workspace, say, signal } = build;
  using _ = await context.builds.acquire(task.journal.deploy(build.id).owner, signal);
  task.journal.change(build.id, { state: 'building', stage: 'build', cause: null });
  const contextDir = workspace.contextDir();
  try {
    const { files } = await assembleContext({
      sourceDir: workspace.sourceDir,
      targetDir: contextDir,
      fn,
      template,
      copy,
      maxBytes: context.config.maxContextBytes,
    });
    say('phase', `${fn.name}: ${fn.lang}, ${files} ${files === 1 ? 'file' : 'files'}`);
    return await buildContext(task, context, { ...build, contextDir });
  } catch (error) {
    throw asPassing(error);
  } finally {
    await rm(contextDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Resolves the template, takes an image that is there already, or builds one: a full reference with its digest. */
async function findOrBuild(task: PushTask, context: PipelineContext, work: FunctionBuild): Promise<string> {
  const { journal } = task;
  const { id, fn } = work;
  const signal = interruption(task, context);
  const say: Say = (kind, text) => journal.say({ kind, stage: 'build', functionName: fn.name, text });
  // What waits holds no place: the next try queues for one again.
  const onWaiting = (error?: TowlineError) =>
    void journal.change(id, { cause: error ? causeOf(error) : null });
  const patience = { stage: 'build', functionName: fn.name, signal, onWaiting } as const;
  return patiently(task, context, patience, async () => {
    const template = await resolveTemplate(context, fn, {
      references: work.templates,
      sourceDir: work.workspace.sourceDir,
      warn: (text) => say('warning', `${fn.name}: ${text}`),
      signal,
    });
    const build: Preparation = { ...work, template, say, signal };
    return (await findPrebuilt(context, build)) ?? (await buildInTurn(task, context, build));
  });
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
