import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type GitHttpServer, startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';

/** A path below the repository, with a file's text or a link's target. */
export type TemplateFiles = Record<string, string | { link: string }>;

/** Tests only: a real git server with repositories of templates in the official layout. */
export interface TemplateServer extends AsyncDisposable {
  http: GitHttpServer;
  /** A folder of its own for the test. */
  dir: string;
  urlOf(repository: string): string;
  /** Replaces the repository's files, and gives the new commit's id. */
  commit(repository: string, files: TemplateFiles): Promise<string>;
  git(repository: string, ...args: string[]): Promise<string>;
}

export async function startTemplateServer(path: string): Promise<TemplateServer> {
  const dir = await mkdtemp(join(tmpdir(), 'towline-template-server-'));
  const root = join(dir, 'repositories');
  await mkdir(root);
  const http = await startGitHttpServer({ root, path });
  const env = gitEnvironment(path, {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  });
  const work = (repository: string) => join(dir, 'work', repository);

  async function git(repository: string, ...args: string[]): Promise<string> {
    return (await gitOutput({ args, env, cwd: work(repository) })).trim();
  }

  async function ensure(repository: string): Promise<void> {
    const bare = join(root, `${repository}.git`);
    await mkdir(work(repository), { recursive: true });
    await git(repository, 'init', '--quiet', '--initial-branch=main');
    await git(repository, 'init', '--quiet', '--bare', '--initial-branch=main', bare);
    await gitOutput({ args: ['config', 'uploadpack.allowAnySHA1InWant', 'true'], env, cwd: bare });
  }

  return {
    http,
    dir,
    // As GitHub does: with and without ".git".
    urlOf: (repository) => `${http.url}/${repository}`,
    git,
    async commit(repository, files) {
      await ensure(repository);
      await git(repository, 'rm', '-r', '--quiet', '--ignore-unmatch', '.');
      for (const [name, content] of Object.entries(files)) {
        const file = join(work(repository), name);
        await mkdir(dirname(file), { recursive: true });
        if (typeof content === 'string') await writeFile(file, content);
        else await symlink(content.link, file);
      }
      await git(repository, 'add', '--all', '--force');
      await git(repository, 'commit', '--quiet', '--allow-empty', '--message', 'templates');
      await git(repository, 'push', '--quiet', '--force', join(root, `${repository}.git`), 'main');
      return git(repository, 'rev-parse', 'HEAD');
    },
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
