import assert from 'node:assert/strict';
import { access, mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { createTestbed, type Testbed } from './testbed.ts';

const path = process.env['PATH'] ?? '';

describe('the GitOps repository over the git host', { timeout: 120_000 }, () => {
  let bed: Testbed;
  let cwd: string;
  before(async () => {
    bed = await createTestbed(path, {
      async *followGitOps(push, signal) {
        signal.throwIfAborted();
        yield `hello is back at \u001b[2J${push.updates[0]?.after.slice(0, 7)}`;
      },
    });
    cwd = await bed.workTree('gitops');
  });
  after(() => bed[Symbol.asyncDispose]());

  const push = (...refs: string[]) => bed.git(['push', bed.url('gitops.git'), ...refs], { as: 'demo', cwd });
  const id = async () => (await bed.git(['rev-parse', 'HEAD'], { cwd })).stdout.toString().trim();

  it('is applied when an operator pushes to main, and tells what becomes of it', async () => {
    const result = await push('main');

    const head = await id();
    assert.equal(result.exitCode, 0, result.stderr);
    assert.deepEqual(bed.gitopsPushes, [
      {
        updates: [{ ref: 'refs/heads/main', before: '0'.repeat(40), after: head }],
        actor: { name: 'demo Person', email: 'demo@example.com', login: 'demo' },
      },
    ]);
    assert.match(result.stderr, new RegExp(`remote: applying ${head.slice(0, 7)} …`));
    assert.match(result.stderr, new RegExp(`remote: hello is back at ${head.slice(0, 7)}`));
    assert.deepEqual(bed.webhook.events, []);
  });

  it('can be cloned by an operator, and neither read nor pushed by anybody else', async () => {
    const clone = await bed.git(['clone', bed.url('gitops.git'), 'gitops-clone'], { as: 'demo' });
    const read = await bed.git(['ls-remote', bed.url('gitops.git')], { as: 'alice' });
    const written = await bed.git(['push', bed.url('gitops.git'), 'main:other'], { as: 'alice', cwd });
    const anonymous = await bed.git(['ls-remote', bed.url('gitops.git')]);

    assert.equal(clone.exitCode, 0, clone.stderr);
    for (const refused of [read, written, anonymous]) assert.notEqual(refused.exitCode, 0);
    assert.match(read.stderr, /operators only/);
  });

  it('never loses history: no force, no deletion', async () => {
    const before = await id();
    await bed.git(['commit', '--quiet', '--amend', '-m', 'Rewritten'], { cwd });

    const forced = await push('+main');
    const deleted = await push(':main');

    assert.notEqual(forced.exitCode, 0);
    assert.match(forced.stderr, /remote: main only moves forward/);
    assert.notEqual(deleted.exitCode, 0);
    assert.match(deleted.stderr, /remote: main cannot be deleted/);
    const shown = await bed.git(['rev-parse', 'main'], { cwd: join(bed.dir, 'gitops.git') });
    assert.equal(shown.stdout.toString().trim(), before);
    await bed.git(['reset', '--quiet', '--hard', before], { cwd });
  });

  it('takes a plain git revert', async () => {
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'A deploy'], { cwd });
    await push('main');
    await bed.git(['revert', '--no-edit', 'HEAD', '--allow-empty'], { cwd });
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Revert'], { cwd });

    const result = await push('main');

    assert.equal(result.exitCode, 0, result.stderr);
    const last = bed.gitopsPushes.at(-1) as { updates: { after: string }[] };
    assert.equal(last.updates[0]?.after, await id());
  });

  it('takes no commit of a person who commits as Towline, on whatever branch', async () => {
    const before = await id();
    const as = ['-c', 'user.name=Towline', '-c', 'user.email=Towline@towline.localhost'];
    await bed.git([...as, 'commit', '--quiet', '--allow-empty', '-m', 'deploy(alice/hello): #9 x'], { cwd });
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Mine'], { cwd });

    for (const ref of ['main', 'main:refs/heads/aside']) {
      const result = await push(ref);
      assert.notEqual(result.exitCode, 0);
      assert.match(result.stderr, /remote: a commit of refs\/heads\/\w+ has Towline's own address/);
    }

    await bed.git(['reset', '--quiet', '--hard', before], { cwd });
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Mine'], { cwd });
    const mine = await push('main');
    assert.equal(mine.exitCode, 0, mine.stderr);
  });

  it('takes a history that has commits of Towline already', async () => {
    const repository = join(bed.dir, 'gitops.git');
    const as = ['-c', 'user.name=Towline', '-c', 'user.email=towline@towline.localhost'];
    const tree = ['commit-tree', 'main^{tree}', '-p', 'main', '-m', 'deploy(alice/hello): #1 x'];
    const made = await bed.git([...as, ...tree], { cwd: repository });
    await bed.git(['update-ref', 'refs/heads/main', made.stdout.toString().trim()], { cwd: repository });
    await bed.git(['pull', '--quiet', '--rebase', bed.url('gitops.git'), 'main'], { as: 'demo', cwd });
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'On top'], { cwd });
    const result = await push('main', 'main:refs/heads/copy');
    assert.equal(result.exitCode, 0, result.stderr);
  });

  it('says that another branch is not applied', async () => {
    const result = await push('main:draft');

    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stderr, /Only main is applied/);
  });
});

describe('the GitOps repository that deploys are pushed to by path', { timeout: 120_000 }, () => {
  const exists = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    );

  async function locksIn(bed: Testbed): Promise<string[]> {
    const repository = join(bed.dir, 'gitops.git');
    await mkdir(join(repository, 'logs/refs/heads'), { recursive: true });
    const names = ['refs/heads/main.lock', 'logs/refs/heads/main.lock', 'packed-refs.lock', 'HEAD.lock'];
    const locks = names.map((name) => join(repository, name));
    for (const lock of locks) await writeFile(lock, '');
    return locks;
  }

  async function pushByPath(bed: Testbed) {
    const cwd = await bed.workTree();
    return bed.git(['push', join(bed.dir, 'gitops.git'), '+HEAD:refs/heads/main'], { cwd });
  }

  it('has no lock left by a killed git once the host has started, however young', async () => {
    await using bed = await createTestbed(path);
    await locksIn(bed);
    const held = await pushByPath(bed);

    await bed.restart();

    assert.notEqual(held.exitCode, 0);
    const freed = await pushByPath(bed);
    assert.equal(freed.exitCode, 0, freed.stderr);
  });

  it('loses old locks while the host runs, and keeps young ones', async () => {
    await using bed = await createTestbed(path, { upkeepEveryMs: 20 });
    const locks = await locksIn(bed);
    const [young, ...old] = locks as [string, ...string[]];
    for (const lock of old) await utimes(lock, new Date(0), new Date(0));

    while (await Promise.all(old.map(exists)).then((found) => found.includes(true))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }

    assert.equal(await exists(young), true);
    await utimes(young, new Date(0), new Date(0));
    while (await exists(young)) await new Promise((resolve) => setTimeout(resolve, 10));
    const freed = await pushByPath(bed);
    assert.equal(freed.exitCode, 0, freed.stderr);
  });

  it('keeps on the disk what it acknowledged, and never packs during a push', async () => {
    await using bed = await createTestbed(path);
    const setting = async (name: string) => {
      const cwd = join(bed.dir, 'gitops.git');
      return (
        await gitOutput({ args: ['config', '--get-all', name], cwd, env: gitEnvironment(path) })
      ).trim();
    };
    await bed.restart();

    assert.equal(await setting('core.fsync'), 'committed,reference');
    assert.equal(await setting('core.fsyncMethod'), 'batch');
    assert.equal(await setting('receive.autogc'), 'false');
    const pushed = await pushByPath(bed);
    assert.equal(pushed.exitCode, 0);
    assert.doesNotMatch(pushed.stderr, /unknown|ignoring/);
  });
});
