import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createTestbed, type Testbed } from './testbed.ts';

const path = process.env['PATH'] ?? '';

describe('the GitOps repository over the git host', { timeout: 60_000 }, () => {
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

  it('says that another branch is not applied', async () => {
    const result = await push('main:draft');

    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stderr, /Only main is applied/);
  });
});
