import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { commitStream } from './commit-stream.ts';
import type { FileChange } from './manifest-repository.ts';

export interface CreateGitOpsRepositoryOptions {
  /** Of the bare repository. */
  path: string;
  /** What its first commit holds; see `gitops-repo-template/base/`. */
  templateDir: string;
  branch: string;
  committer: { name: string; email: string };
  /** The PATH on which git is found. */
  env: { PATH: string };
  /** Milliseconds since the epoch. */
  clock?: (() => number) | undefined;
}

const maxTemplateFiles = 1000;

/**
 * The branch is an audit record, so nobody rewrites or deletes it; housekeeping stays in the foreground of a
 * push, so that no process is left behind.
 */
const settings: Record<string, string> = {
  'receive.denyNonFastForwards': 'true',
  'receive.denyDeletes': 'true',
  'receive.fsckObjects': 'true',
  'gc.autoDetach': 'false',
};

/** Makes the GitOps repository if it isn't there: whole or not at all. Gives whether it made one. */
export async function createGitOpsRepository(options: CreateGitOpsRepositoryOptions): Promise<boolean> {
  if (await isThere(options.path)) return false;
  const building = `${options.path}.new-${randomUUID()}`;
  await mkdir(dirname(options.path), { recursive: true });
  try {
    await build(building, options);
    await rename(building, options.path);
    return true;
  } catch (error) {
    // Somebody else was faster: theirs is whole too.
    if (await isThere(options.path)) return false;
    throw error;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function build(path: string, options: CreateGitOpsRepositoryOptions): Promise<void> {
  const env = gitEnvironment(options.env.PATH, { GIT_DIR: path });
  const committer = safeSignature(options.committer);
  const time = (options.clock ?? Date.now)();
  const changes = await readTemplate(options.templateDir);
  await gitOutput({ args: ['init', '--quiet', '--bare', `--initial-branch=${options.branch}`, path], env });
  for (const [key, value] of Object.entries(settings)) await gitOutput({ args: ['config', key, value], env });
  const message = commitMessage('Set up the GitOps repository', {});
  const commit = { message, author: committer, committer, time, changes };
  const input = commitStream(`refs/heads/${options.branch}`, null, [commit]);
  await gitOutput({ args: ['fast-import', '--quiet', '--done'], env, input });
}

async function readTemplate(folder: string): Promise<FileChange[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  if (files.length === 0 || files.length > maxTemplateFiles) {
    throw new TowlineError('internal', `the template of the GitOps repository has ${files.length} files`);
  }
  return await Promise.all(
    files
      .sort()
      .map(async (file) => ({ path: relative(folder, file), content: await readFile(file, 'utf8') })),
  );
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
