import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { createGitOpsRepository } from './create-gitops-repository.ts';

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
const templateDir = join(import.meta.dirname, '../../gitops-repo-template/base');
const committer = { name: 'Towline', email: 'towline@towline.invalid' };

test('the repository is made once, whole, from the template, however many ask at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'towline-create-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = { path: join(folder, 'data', 'gitops.git'), templateDir, branch: 'main', committer, env };
  const made = await Promise.all([1, 2, 3].map(() => createGitOpsRepository(options)));
  assert.equal(made.filter((one) => one).length, 1);
  assert.deepEqual(await readdir(join(folder, 'data')), ['gitops.git']);
  const git = gitEnvironment(env.PATH, { GIT_DIR: options.path });
  const head = await gitOutput({ args: ['rev-parse', 'HEAD'], env: git });
  const files = await gitOutput({ args: ['ls-tree', '-r', '--name-only', 'main'], env: git });
  assert.ok(files.includes('README.md') && files.includes('tenants/.gitkeep'));
  assert.doesNotMatch(files, /kustomization|sourceignore/i);
  assert.equal(await createGitOpsRepository(options), false);
  assert.equal(await gitOutput({ args: ['rev-parse', 'HEAD'], env: git }), head);
});

test('a template that cannot be read leaves nothing behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'towline-create-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = {
    path: join(folder, 'gitops.git'),
    templateDir: join(folder, 'no'),
    branch: 'main',
    committer,
    env,
  };
  await assert.rejects(createGitOpsRepository(options), /ENOENT/);
  assert.deepEqual(await readdir(folder), []);
});

test('nobody can rewrite or delete the branch by a push', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'towline-create-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = { path: join(folder, 'gitops.git'), templateDir, branch: 'main', committer, env };
  await createGitOpsRepository(options);
  const git = gitEnvironment(env.PATH);
  await gitOutput({ args: ['clone', '--quiet', options.path, join(folder, 'clone')], env: git });
  const push = (refspec: string) =>
    gitOutput({
      args: ['push', '--quiet', '--force', 'origin', refspec],
      env: git,
      cwd: join(folder, 'clone'),
    });
  await assert.rejects(push(':main'));
  const identity = {
    GIT_AUTHOR_NAME: 'x',
    GIT_AUTHOR_EMAIL: 'x',
    GIT_COMMITTER_NAME: 'x',
    GIT_COMMITTER_EMAIL: 'x',
  };
  const other = { ...git, ...identity };
  await gitOutput({
    args: ['commit', '--quiet', '--amend', '-m', 'other'],
    env: other,
    cwd: join(folder, 'clone'),
  });
  await assert.rejects(push('HEAD:main'));
});
