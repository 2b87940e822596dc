import { rm } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { imageName } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { assembleContext } from '../context/assemble-context.ts';
import { contextDigest } from '../context/context-digest.ts';
import type { BuiltFunction } from '../reuse/built-images.ts';
import { contentHash } from '../reuse/content-hash.ts';
import type { SecretMask } from '../secrets/mask-secrets.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import { describeTemplate, templateLabels } from '../templates/build-inputs.ts';
import type { Template } from '../templates/template.ts';
import { imageLabels } from './image-labels.ts';
import type { PipelineContext, PushTask } from './pipeline-context.ts';
import type { Workspace } from './workspace.ts';

/** One function's build, once everything it needs is known. */
export interface ImageBuild {
  id: string;
  event: PushEvent;
  fn: StackFunction;
  copy: Stack['copy'];
  workspace: Workspace;
  /** With the function's own process. */
  template: Template | null;
  /** With what the build options stand for. */
  buildArgs: Record<string, string>;
  /** Build secrets: values by id. */
  secrets: Record<string, string>;
  mask: SecretMask;
  say: (kind: 'phase' | 'output' | 'warning', text: string) => void;
  signal: AbortSignal;
}

interface AssembledBuild extends ImageBuild {
  contextDir: string;
  /** Without its tag. */
  imageName: string;
  /** With the tag of this commit. */
  image: string;
}

/** A full disk passes, as an engine that is away does: others' builds end and make room. */
function asPassing(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new TowlineError('engine_unavailable', 'the build service has no room left on its disk', {
    cause: error,
  });
}

async function runEngine(task: PushTask, context: PipelineContext, build: AssembledBuild): Promise<string> {
  const { id, event, fn, template, contextDir, secrets, mask, image, say, signal } = build;
  const record = task.journal.deploy(id);
  const output = (line: string | undefined) => line !== undefined && say('output', line);
  const { digest } = await context.engine.build({
    buildId: id,
    owner: record.owner,
    ownerId: event.repository.ownerId,
    repo: record.repo,
    functionName: fn.name,
    contextDir,
    template,
    buildArgs: build.buildArgs,
    secrets,
    noCache: task.delivery.isForced === true,
    platforms: fn.platforms,
    image,
    labels: { ...imageLabels(record, event), ...templateLabels(template) },
    timeoutMs: context.config.buildTimeoutMs,
    onLine: (line, part) => output(mask.line(line, part)),
    onPhase: (text) => say('phase', `${fn.name}: ${mask.text(text)}`),
    signal,
  });
  signal.throwIfAborted();
  return `${image}@${digest}`;
}

/** The image that was built of the same content before, if it is still there. */
async function findUnchanged(
  context: PipelineContext,
  { say, fn }: ImageBuild,
  of: BuiltFunction,
  hash: string,
): Promise<string | undefined> {
  const known = context.builtImages.find(of, hash);
  if (!known) return undefined;
  const commit = known.sourceCommit.slice(0, 7);
  if (await context.engine.has(known.image)) {
    const digest = known.image.slice(known.image.indexOf('@') + 1);
    say('phase', `${fn.name}: unchanged: reusing ${digest} of build ${commit}`);
    return known.image;
  }
  context.builtImages.remove(of, hash);
  say('phase', `${fn.name}: unchanged since build ${commit}, but that image is gone: building it again`);
  return undefined;
}

async function reuseOrBuild(
  task: PushTask,
  context: PipelineContext,
  build: AssembledBuild,
): Promise<string> {
  const { fn, template, contextDir, event } = build;
  const { ownerId, name: repo } = event.repository;
  const of = { ownerId, repo, functionName: fn.name };
  const digest = await contextDigest(contextDir);
  const hash = contentHash({
    contextDigest: digest,
    template,
    buildArgs: { ...context.engine.buildArgs, ...build.buildArgs },
    buildSecrets: fn.buildSecrets,
    platforms: fn.platforms,
    imageName: build.imageName,
    engine: context.engine.name,
  });
  const unchanged = task.delivery.isForced ? undefined : await findUnchanged(context, build, of, hash);
  build.signal.throwIfAborted();
  if (unchanged !== undefined) return unchanged;
  const image = await runEngine(task, context, build);
  // Known before the record says so: a build that is taken up again after a death finds it.
  context.builtImages.put(of, hash, { image, sourceCommit: event.after, builtAt: context.now() });
  return image;
}

/** Takes a place among the builds, puts the context together and makes the image of it: a reference with its digest. */
export async function buildImage(
  task: PushTask,
  context: PipelineContext,
  build: ImageBuild,
): Promise<string> {
  const { id, fn, template, copy, workspace, say, signal } = build;
  const { owner, repo, branch, sourceCommit } = task.journal.deploy(id);
  using _ = await context.builds.acquire(owner, signal);
  task.journal.change(id, { state: 'building', stage: 'build', cause: null });
  const contextDir = workspace.contextDir();
  const name = { registry: context.engine.registry, owner, repo, functionName: fn.name };
  const image = imageName({ ...name, branch, sha: sourceCommit });
  try {
    const { files } = await assembleContext({
      sourceDir: workspace.sourceDir,
      targetDir: contextDir,
      fn,
      template,
      copy,
      maxBytes: context.config.maxContextBytes,
    });
    const counted = `${files} ${files === 1 ? 'file' : 'files'}`;
    say('phase', `${fn.name}: ${describeTemplate(fn.lang, template)}, ${counted}`);
    const untagged = image.slice(0, image.lastIndexOf(':'));
    return await reuseOrBuild(task, context, { ...build, contextDir, image, imageName: untagged });
  } catch (error) {
    throw asPassing(error);
  } finally {
    await rm(contextDir, { recursive: true, force: true, maxRetries: 3 });
  }
}
