import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type GitHttpServer, startGitHttpServer } from '../../../manifest-writer/gitops-http-server.ts';
import { gitEnvironment, gitOutput } from '../../../runtime/git.ts';
import { Clone } from '../../e2e/git-client.ts';

/** Repositories over HTTP that want a user and a password. */
export interface GitHost extends AsyncDisposable {
  /** As `http://127.0.0.1:1234`. */
  origin: string;
  username: string;
  /** Of everybody. */
  password: string;
  server: GitHttpServer;
  /** Makes an empty repository; gives its URL. */
  create(name: string): Promise<string>;
  /** A person's clone of a repository. */
  clone(name: string, person?: Clone['person']): Promise<Clone>;
}

const searchPath = process.env['PATH'] ?? '';

export async function startGitHost(root: string): Promise<GitHost> {
  await mkdir(root, { recursive: true });
  const username = 'git';
  const password = randomBytes(12).toString('hex');
  const server = await startGitHttpServer({
    ...{ root, path: searchPath },
    allows: (user, given) => user === username && given === password,
  });
  const env = gitEnvironment(searchPath);
  return {
    ...{ origin: server.url, username, password, server },
    async create(name) {
      await gitOutput({ args: ['init', '--quiet', '--bare', '-b', 'main', join(root, name)], env });
      return `${server.url}/${name}`;
    },
    async clone(name, person) {
      const clone = new Clone(password, person);
      await clone.git('clone', '-q', `${server.url}/${name}`, '.');
      return clone;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
