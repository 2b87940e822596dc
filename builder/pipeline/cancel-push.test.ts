import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPlatform, stackFiles, summary } from './platform-in-memory.test.ts';

const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('cancelling a push', () => {
  it('stops its builds, says who it was, commits nothing and removes nothing', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ old: 'zero' })));
    const gate = platform.gate('alice/shop/hello');
    const { id } = await platform.send(repo.commit(stackFiles({ hello: 'one' })));
    await gate.entered;
    await platform.builder().cancel(id, bob);
    await platform.builder().drain();

    const push = (await platform.builder().push(id))!;
    assert.deepEqual([push.state, summary(push)], ['done', { hello: 'failed' }]);
    assert.deepEqual(push.deploys[0]?.cause, { code: 'build_cancelled', message: 'stopped by Bob' });
    assert.deepEqual(platform.engine.aborted, ['alice/shop/hello']);
    assert.deepEqual(platform.writer.deployed('alice'), ['old']);
    assert.match((await platform.logOf(id)).at(-1)!, /hello failed at build: stopped by Bob/);
    await assert.rejects(platform.builder().cancel(id, bob), { code: 'conflict' });
    await assert.rejects(platform.builder().cancel('none', bob), { code: 'not_found' });
  });

  it('stops one that waits for its turn, and lets the next go on', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const gate = platform.gate('alice/shop/hello');
    const running = await platform.send(repo.commit(stackFiles({ hello: 'one' })));
    await gate.entered;
    const rebuilt = await platform.builder().rebuild(running.id, bob);
    await platform.builder().cancel(rebuilt, bob);
    await until(async () => (await platform.builder().push(rebuilt))?.state === 'done');
    assert.equal((await platform.builder().push(rebuilt))?.note, 'stopped by Bob');
    assert.equal((await platform.builder().push(running.id))?.state, 'running');
    gate.open();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(running.id))!), { hello: 'live' });
  });

  it('holds after a death', async () => {
    await using platform = await createPlatform();
    const gate = platform.gate('alice/shop/hello');
    const { id } = await platform.send(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    await gate.entered;
    const first = platform.builder();
    const cancelled = first.cancel(id, bob);
    await platform.restart({ abandon: true });
    await cancelled;
    await platform.builder().drain();
    const push = (await platform.builder().push(id))!;
    assert.equal(push.deploys[0]?.cause?.code, 'build_cancelled');
    assert.equal(platform.writer.commits.length, 0);
    await first[Symbol.asyncDispose]();
  });

  it('leaves what is being committed alone, and each function in exactly one end', async () => {
    await using platform = await createPlatform({ config: { maxConcurrentBuilds: 4 } });
    const repo = platform.repo('alice', 'shop');
    const slow = platform.gate('alice/shop/slow');
    const committing = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    platform.writer.beforeCommit = async () => {
      committing.resolve();
      await mayCommit.promise;
    };
    const { id } = await platform.send(repo.commit(stackFiles({ fast: 'one', slow: 'two' })));
    await Promise.all([committing.promise, slow.entered]);
    await platform.builder().cancel(id, bob);
    mayCommit.resolve();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(id))!), { fast: 'live', slow: 'failed' });
    assert.deepEqual(platform.writer.deployed('alice'), ['fast']);
  });

  it('of one that is committed already is refused', async () => {
    await using platform = await createPlatform();
    const following = Promise.withResolvers<void>();
    const mayBeLive = Promise.withResolvers<void>();
    platform.reconciler.beforeLive = async () => {
      following.resolve();
      await mayBeLive.promise;
      return undefined;
    };
    const { id } = await platform.send(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    await following.promise;
    await assert.rejects(platform.builder().cancel(id, bob), { code: 'conflict' });
    mayBeLive.resolve();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(id))!), { hello: 'live' });
  });

  it('takes back what waits for a hold, though the push has ended', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    platform.writer.held.add('hello');
    const { id, state } = await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
    assert.equal(state, 'done');
    await platform.builder().cancel(id, bob);
    await platform.builder().drain();

    const push = (await platform.builder().push(id))!;
    assert.deepEqual([push.state, summary(push)], ['done', { hello: 'failed' }]);
    assert.deepEqual(push.deploys[0]?.cause, { code: 'build_cancelled', message: 'stopped by Bob' });
    assert.match((await platform.logOf(id)).at(-1)!, /hello failed at commit: stopped by Bob/);
    assert.equal(platform.writer.waiting.size, 0);
    await assert.rejects(platform.builder().cancel(id, bob), { code: 'conflict' });
  });

  it('takes back what is answered as held after it', async () => {
    await using platform = await createPlatform({ config: { maxConcurrentBuilds: 4 } });
    platform.writer.held.add('fast');
    const repo = platform.repo('alice', 'shop');
    const slow = platform.gate('alice/shop/slow');
    const committing = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    platform.writer.beforeCommit = async () => {
      committing.resolve();
      await mayCommit.promise;
    };
    const { id } = await platform.send(repo.commit(stackFiles({ fast: 'one', slow: 'two' })));
    await Promise.all([committing.promise, slow.entered]);
    await platform.builder().cancel(id, bob);
    mayCommit.resolve();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(id))!), { fast: 'failed', slow: 'failed' });
    assert.equal(platform.writer.waiting.size, 0);
    assert.deepEqual(platform.writer.deployed('alice'), []);
  });
});
