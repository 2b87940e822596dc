import { rm } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { imageName } from '../../core/names.ts';
import { assembleContext } from '../context/assemble-context.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { settleError } from './settle.ts';
import type { Workspace } from './workspace.ts';

export interface FunctionBuild {
  id: string;
  fn: StackFunction;
  copy: Stack['copy'];
  workspace: Workspace;
}

async function build(
  task: PushTask,
  context: PipelineContext,
  { id, fn, copy, workspace }: FunctionBuild,
): Promise<string> {
  const { journal } = task;
  const { config, engine } = context;
  const { owner, repo, branch, sourceCommit } = journal.deploy(id);
  const signal = interruption(task, context);
  using _ = await context.builds.acquire(owner, signal);
  journal.change(id, { state: 'building', stage: 'build' });
  const template = context.templates.find(fn.lang);
  if (!template) {
    throw new TowlineError('language_unknown', `there is no template for "${fn.lang}"`, {
      place: fn.place,
      hint: `use one of: ${context.templates.languages().join(', ')}`,
    });
  }
  const contextDir = workspace.contextDir();
  try {
    const { files } = await assembleContext({
      sourceDir: workspace.sourceDir,
      targetDir: contextDir,
      fn,
      template,
      copy,
      maxBytes: config.maxContextBytes,
    });
    const say = (kind: 'phase' | 'output', text: string) =>
      journal.say({ kind, stage: 'build', functionName: fn.name, text });
    say('phase', `${fn.name}: ${fn.lang}, ${files} ${files === 1 ? 'file' : 'files'}`);
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
      labels: {},
      timeoutMs: config.buildTimeoutMs,
      onLine: (line) => say('output', line),
      signal,
    });
    signal.throwIfAborted();
    return `${image}@${digest}`;
  } finally {
    await rm(contextDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Assembles the context and builds it. The image is on the record then; `false`: the deploy has ended. */
export async function buildFunction(
  task: PushTask,
  context: PipelineContext,
  work: FunctionBuild,
): Promise<boolean> {
  try {
    const image = await build(task, context, work);
    task.journal.change(work.id, { state: 'built', stage: 'commit', image });
    return true;
  } catch (error) {
    await settleError(task, context, { id: work.id, stage: 'build', error });
    return false;
  }
}
