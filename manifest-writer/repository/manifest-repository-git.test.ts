import assert from 'node:assert/strict';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { commitStream } from './commit-stream.ts';
import { createGitOpsRepository } from './create-gitops-repository.ts';
import { describeManifestRepository } from './manifest-repository.contract.ts';
import { openGitRepository } from './manifest-repository-git.ts';

const searchPath = '/usr/local/bin:/usr/bin:/bin';
const committer = { name: 'Towline', email: 'towline@towline.invalid' };
const templateDir = join(import.meta.dirname, '../../gitops-repo-template/base');

async function makeSubject() {
  const folder = await mkdtemp(join(tmpdir(), 'towline-repository-'));
  const remote = join(folder, 'gitops.git');
  await createGitOpsRepository({
    path: remote,
    templateDir,
    branch: 'main',
    committer,
    env: { PATH: searchPath },
  });
  const clonePath = join(folder, 'writer.git');
  const repository = await openGitRepository({
    remoteUrl: remote,
    clonePath,
    branch: 'main',
    searchPath,
    remoteTimeoutMs: 10_000,
    maxObjectBytes: 1_000_000,
  });
  const env = gitEnvironment(searchPath, { GIT_DIR: remote });
  return {
    folder,
    clonePath,
    repository,
    async foreignCommit(changes: Parameters<typeof commitStream>[2][0]['changes'], message: string) {
      const head = (await gitOutput({ args: ['rev-parse', 'main'], env })).trim();
      const commit = { message, author: committer, committer, time: 0, changes };
      const input = commitStream('refs/heads/main', head, [commit]);
      return (await gitOutput({ args: ['fast-import', '--quiet'], env, input })).trim();
    },
    async refusePushes(words: string) {
      await writeFile(join(remote, 'hooks', 'pre-receive'), `#!/bin/sh\necho '${words}' >&2\nexit 1\n`, {
        mode: 0o755,
      });
    },
    takeRemoteAway: () => rename(remote, `${remote}.away`),
    bringRemoteBack: () => rename(`${remote}.away`, remote),
    async [Symbol.asyncDispose]() {
      await repository[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describeManifestRepository('ManifestRepository on git', makeSubject);

test('a repair leaves no half-made clone beside the clone', async () => {
  await using subject = await makeSubject();
  await subject.repository.repair();
  assert.deepEqual((await readdir(subject.folder)).sort(), ['gitops.git', 'writer.git']);
});

test('a branch that was deleted on the remote is unavailable, not an empty repository', async () => {
  await using subject = await makeSubject();
  const env = gitEnvironment(searchPath, { GIT_DIR: join(subject.folder, 'gitops.git') });
  await gitOutput({ args: ['update-ref', '-d', 'refs/heads/main'], env });
  await assert.rejects(subject.repository.refresh(), /has no branch "main"/);
});
