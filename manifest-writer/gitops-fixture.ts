import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import type { DeployIntent } from '../core/manifest-writer.ts';
import { gitEnvironment, gitOutput } from '../runtime/git.ts';
import {
  createManifestWriter,
  type ManifestWriterConfig,
  type ManifestWriterDeps,
} from './create-manifest-writer.ts';
import { createGitOpsRepository } from './repository/create-gitops-repository.ts';

export const searchPath = '/usr/local/bin:/usr/bin:/bin';
const env = { PATH: searchPath };
const templateDir = join(import.meta.dirname, '../gitops-repo-template/base');
export const committer = { name: 'Towline', email: 'towline@towline.invalid' };
export const alice = { name: 'Alice Doe', email: 'alice@example.org', login: 'alice' };

/** A commit id that is as good as any: forty times the same digit. */
export const sha = (digit: string) => digit.repeat(40);

/** For tests: a real GitOps repository in a temporary folder, and people who work in it with real git. */
export async function gitopsFixture(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'towline-writer-'));
  const writers: AsyncDisposable[] = [];
  // Hooks run in the order they were made, and none after one that failed: a writer that works in the folder as it is
  // removed would be left running, and the test file with it.
  t.after(async () => {
    await Promise.allSettled(writers.map((writer) => writer[Symbol.asyncDispose]()));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const remote = join(folder, 'gitops.git');
  await createGitOpsRepository({ path: remote, templateDir, branch: 'main', committer, env });
  let people = 0;

  async function git(cwd: string, ...args: string[]): Promise<string> {
    const personEnv = gitEnvironment(searchPath, {
      GIT_AUTHOR_NAME: 'Olga Operator',
      GIT_AUTHOR_EMAIL: 'olga@example.org',
      GIT_COMMITTER_NAME: 'Olga Operator',
      GIT_COMMITTER_EMAIL: 'olga@example.org',
    });
    return await gitOutput({ args, cwd, env: personEnv });
  }

  return {
    folder,
    remote,
    git,
    remoteHead: async () => (await git(remote, 'rev-parse', 'main')).trim(),
    /** Another clone with a work tree, as a person has it. */
    async person() {
      people += 1;
      const path = join(folder, `person-${people}`);
      await git(folder, 'clone', '--quiet', remote, path);
      return { path, git: (...args: string[]) => git(path, ...args) };
    },
    async writer(
      config: Partial<ManifestWriterConfig> = {},
      clock: () => number = Date.now,
      deps: Partial<ManifestWriterDeps> = {},
    ) {
      const writer = await createManifestWriter(
        {
          remoteUrl: remote,
          clonePath: join(folder, 'writer.git'),
          branch: 'main',
          committer,
          namespace: 'openfaas-fn',
          path: searchPath,
          ...config,
        },
        { logger: pino({ level: 'silent' }), clock, ...deps },
      );
      writers.push(writer);
      return writer;
    },
  };
}

export interface DeployChanges {
  owner?: string;
  ownerId?: string;
  functionName?: string;
  repo?: string;
  source?: string;
  buildId?: string;
  trigger?: DeployIntent['trigger'];
  environment?: Record<string, string>;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  sourceSubject?: string;
  actor?: DeployIntent['actor'];
}

let builds = 0;

/** A deploy as the builder asks for it; `source` is the digit its source commit and its image are made of. */
export function deployIntent(changes: DeployChanges = {}): DeployIntent {
  builds += 1;
  const owner = changes.owner ?? 'alice';
  const functionName = changes.functionName ?? 'hello';
  const repo = changes.repo ?? 'greetings';
  const source = changes.source ?? '1';
  const digest = `sha256:${source.repeat(64)}`;
  return {
    buildId: changes.buildId ?? `build-${builds}`,
    trigger: changes.trigger ?? 'push',
    sourceSubject: changes.sourceSubject ?? 'Fix greeting',
    actor: changes.actor ?? alice,
    spec: {
      owner,
      functionName,
      image: `artifact.towline.internal/${owner}/${repo}-${functionName}:latest-main-${source.repeat(7)}@${digest}`,
      environment: changes.environment ?? { GREETING: 'hello' },
      secrets: [],
      labels: changes.labels ?? {},
      annotations: changes.annotations ?? {},
      limits: { memory: '128Mi' },
      requests: {},
      constraints: [],
      readOnlyRootFilesystem: false,
    },
    provenance: {
      owner,
      ownerId: changes.ownerId ?? `id-of-${owner}`,
      repo,
      branch: 'main',
      sourceCommit: sha(source),
      scm: 'git',
      private: false,
      repoUrl: `http://localhost:8080/git/${owner}/${repo}.git`,
    },
  };
}
