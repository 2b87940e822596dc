import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import { objectName } from '../../core/names.ts';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import type { DesiredFunction } from '../functions/index.ts';

/** For tests: a bare GitOps repository, and a person's clone that commits and pushes to it. */
export interface GitOpsFixture {
  gitopsPath: string;
  /** Writes (or with `null` deletes) files, commits, pushes; gives the commit. */
  commit(files: Record<string, string | null>, message?: string): Promise<string>;
  git(...args: string[]): Promise<string>;
}

export async function createGitOpsFixture(dir: string, searchPath: string): Promise<GitOpsFixture> {
  const gitopsPath = path.join(dir, 'gitops.git');
  const clone = path.join(dir, 'clone');
  const env = {
    ...gitEnvironment(searchPath),
    GIT_AUTHOR_NAME: 'Alice',
    GIT_AUTHOR_EMAIL: 'alice@example.com',
    GIT_COMMITTER_NAME: 'Alice',
    GIT_COMMITTER_EMAIL: 'alice@example.com',
  };
  const git = async (...args: string[]) => (await gitOutput({ args, env, cwd: clone })).trim();
  await gitOutput({ args: ['init', '--quiet', '--bare', '-b', 'main', gitopsPath], env });
  await mkdir(clone);
  await git('init', '--quiet', '-b', 'main');
  await git('remote', 'add', 'origin', gitopsPath);
  return {
    gitopsPath,
    git,
    async commit(files, message = 'change') {
      for (const [name, text] of Object.entries(files)) {
        const file = path.join(clone, name);
        await mkdir(path.dirname(file), { recursive: true });
        if (text === null) await rm(file);
        else await writeFile(file, text);
      }
      await git('add', '-A');
      await git('commit', '--quiet', '--allow-empty', '-m', message);
      await git('push', '--quiet', 'origin', 'main');
      return git('rev-parse', 'HEAD');
    },
  };
}

/** The manifest that asks for `desired`, as the manifest-writer would lay it down. */
export function manifestOf(desired: DesiredFunction): string {
  const name = objectName(desired.owner, desired.functionName);
  const labels = {
    [gitLabels.owner]: desired.owner,
    [gitLabels.ownerId]: desired.ownerId,
    [gitLabels.repo]: desired.repo,
    [gitLabels.branch]: desired.branch,
    [gitLabels.sha]: desired.sourceCommit,
    [gitLabels.functionName]: desired.functionName,
  };
  const annotations = {
    [towlineAnnotations.repo]: desired.repo,
    [towlineAnnotations.branch]: desired.branch,
  };
  return stringify({
    apiVersion: 'openfaas.com/v1',
    kind: 'Function',
    metadata: { name, namespace: 'openfaas-fn', labels, annotations },
    spec: { name, image: desired.image, environment: desired.environment },
  });
}
