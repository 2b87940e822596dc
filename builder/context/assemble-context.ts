import { lstat, mkdir, readdir, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import { readRepositoryFile, whyUnreadable } from '../stack/repository-file.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import type { Template } from '../templates/template.ts';
import { type CopyBudget, copyFolder, copyResolved, type TreeCopy } from './copy-tree.ts';
import { type IgnoreRules, parseIgnoreRules } from './ignore-rules.ts';
import { resolveInside } from './repository-path.ts';

export interface ContextRequest {
  /** The clone's root: nothing outside it is ever read. Nobody else may write to it meanwhile. */
  sourceDir: string;
  /** Made if it is missing; nothing outside it is ever written. */
  targetDir: string;
  fn: StackFunction;
  /** `null` for the language `dockerfile`: the handler's folder is the whole context. */
  template: Template | null;
  copy: Stack['copy'];
  maxBytes: number;
}

/** faas-cli's own folders, when a handler is the repository's root. */
const skippedAtTop = new Set(['build', 'template']);

/**
 * Puts a build context together as faas-cli does: the template, the handler's files over it, then the paths of
 * `configuration.copy`. Throws `handler_missing`, `path_escapes`, `context_too_large` or `stack_invalid` with the place.
 */
export async function assembleContext(request: ContextRequest): Promise<{ files: number; bytes: number }> {
  const { fn, template } = request;
  const budget: CopyBudget = { files: 0, bytes: 0, entries: 0, maxBytes: request.maxBytes };
  const place = fn.handlerPlace ?? fn.place;
  const root = await realpath(request.sourceDir);
  const handler = await findHandler(root, fn, place);
  await mkdir(request.targetDir, { recursive: true });
  const targetDir = await realpath(request.targetDir);
  const rules = await findIgnoreRules({ root, handler, fn, template });
  const ignore = rules && { root: targetDir, rules };
  const copy: TreeCopy = { root, budget, what: `the function "${fn.name}"`, place, ignore };
  if (template) await copyTemplate(template, targetDir, { budget, ignore });
  const target = template ? join(targetDir, template.handlerFolder) : targetDir;
  await copyFolder(copy, { source: handler, shown: fn.handler, target, trail: [] }, (name) =>
    skippedAtTop.has(name),
  );
  for (const extra of request.copy) await copyExtra({ ...copy, place: extra.place }, extra.path, target);
  if (!template) await requireDockerfile(targetDir, fn.handler, place);
  return { files: budget.files, bytes: budget.bytes };
}

async function copyTemplate(
  template: Template,
  target: string,
  shared: Pick<TreeCopy, 'budget' | 'ignore'>,
): Promise<void> {
  const root = await realpath(template.dir);
  const copy = { ...shared, root, what: `the template "${template.language}"`, place: undefined };
  await copyFolder(copy, { source: root, shown: '.', target, trail: [] });
}

/** The first of these counts, as with BuildKit. */
const ignoreFiles = ['Dockerfile.dockerignore', '.dockerignore'];

/**
 * Of the files of that name that get to the context's root: the handler's if its folder is the root, or else the
 * template's. Read before anything is copied, so that what is left out costs nothing.
 */
async function findIgnoreRules(from: {
  root: string;
  handler: string;
  fn: StackFunction;
  template: Template | null;
}): Promise<IgnoreRules | undefined> {
  const { root, handler, fn, template } = from;
  const folders: { root: string; path: string; shown: string }[] = [];
  const isRoot = !template || template.handlerFolder === '.';
  if (isRoot) folders.push({ root, path: handler.slice(root.length + 1), shown: fn.handler });
  if (template) folders.push({ root: await realpath(template.dir), path: '', shown: `template/${fn.lang}` });
  for (const name of ignoreFiles) {
    for (const folder of folders) {
      const file = `${folder.shown}/${name}`;
      const read = await readRepositoryFile(folder.root, `${folder.path}/${name}`);
      if (read.text !== undefined) return parseIgnoreRules(read.text, file);
      if (read.why !== 'missing') throw unreadable(file, read);
    }
  }
  return undefined;
}

function unreadable(file: string, read: Parameters<typeof whyUnreadable>[0]): TowlineError {
  const code = read.why === 'escapes' || read.why === 'git' ? 'path_escapes' : 'build_failed';
  return new TowlineError(code, `${file} ${whyUnreadable(read)}`, { place: { file } });
}

/** Docker takes `dockerfile` too; engines need to know only the one name. */
async function requireDockerfile(targetDir: string, handler: string, place: SourcePlace): Promise<void> {
  const entries = await readdir(targetDir, { withFileTypes: true });
  const files = new Set(entries.filter((entry) => entry.isFile()).map((entry) => entry.name));
  if (files.has('Dockerfile')) return;
  if (files.has('dockerfile')) {
    await rename(join(targetDir, 'dockerfile'), join(targetDir, 'Dockerfile'));
    return;
  }
  const similar = [...files].find((name) => name.toLowerCase() === 'dockerfile');
  throw new TowlineError('build_failed', `the handler "${handler}" has no Dockerfile`, {
    place,
    hint: similar
      ? `rename ${similar} to Dockerfile`
      : 'add a Dockerfile to the folder, or name a language template as lang',
  });
}

async function findHandler(root: string, fn: StackFunction, place: SourcePlace): Promise<string> {
  const resolved = await resolveInside(root, fn.handler);
  if (!resolved.found && resolved.why !== 'missing') {
    throw new TowlineError('path_escapes', `the handler "${fn.handler}" leads out of the repository`, {
      place,
    });
  }
  if (!resolved.found) {
    throw new TowlineError('handler_missing', `there is no folder "${fn.handler}" in the repository`, {
      place,
      hint: 'commit the folder, or name the right one as handler',
    });
  }
  if ((await lstat(resolved.path)).isDirectory()) return resolved.path;
  throw new TowlineError('handler_missing', `the handler "${fn.handler}" is not a folder`, {
    place,
    hint: 'name the folder that holds the code, not the file',
  });
}

async function copyExtra(copy: TreeCopy, path: string, handlerTarget: string): Promise<void> {
  const resolved = await resolveInside(copy.root, path);
  if (!resolved.found && resolved.why !== 'missing') {
    throw new TowlineError('path_escapes', `configuration.copy: "${path}" leads out of the repository`, {
      place: copy.place,
    });
  }
  if (!resolved.found || resolved.segments.length === 0) {
    throw new TowlineError('stack_invalid', `configuration.copy: there is no "${path}" in the repository`, {
      place: copy.place,
    });
  }
  await mkdir(join(handlerTarget, path, '..'), { recursive: true }).catch((cause) => {
    throw new TowlineError(
      'stack_invalid',
      `configuration.copy: the handler has a file in the way of "${path}"`,
      { place: copy.place, cause },
    );
  });
  await copyResolved(copy, {
    source: resolved.path,
    shown: path,
    target: join(handlerTarget, path),
    trail: [],
  });
}
