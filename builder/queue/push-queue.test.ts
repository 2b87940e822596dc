import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPlatform, git, stackFiles, summary } from '../pipeline/platform-in-memory.test.ts';

const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };

describe('the queue', () => {
  it('lets a newer push supersede the one being built and those waiting', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const gate = platform.gate('alice/shop/hello');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.send(first);
    await gate.entered;
    const second = repo.commit(stackFiles({ hello: 'two' }));
    const third = repo.commit(stackFiles({ hello: 'three' }));
    await platform.send(second);
    await platform.send(third);
    gate.open();
    await platform.builder().drain();
    const push = async (id: string) => (await platform.builder().push(id))!;
    assert.deepEqual(summary(await push(first.id)), { hello: 'superseded' });
    assert.equal((await push(second.id)).note, `superseded by ${third.after.slice(0, 7)}`);
    assert.deepEqual(summary(await push(third.id)), { hello: 'live' });
    assert.ok(platform.engine.aborted.length >= 1);
    assert.ok((await platform.logOf(first.id)).includes(`hello: superseded by ${second.after.slice(0, 7)}`));
    assert.equal(platform.writer.commits.length, 1);
  });

  it('never drops a deploy whose commit is made, and does not let the newer one wait for it', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const following = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    platform.reconciler.beforeLive = async () => {
      platform.reconciler.beforeLive = async () => undefined;
      following.resolve();
      await letGo.promise;
      return { type: 'superseded' };
    };
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.send(first);
    await following.promise;
    const second = repo.commit(stackFiles({ hello: 'two' }));
    await platform.send(second);
    for await (const { text } of platform.builder().log(second.id, 0, AbortSignal.timeout(120_000))) {
      if (text.startsWith('hello is live')) break;
    }
    assert.equal((await platform.builder().push(first.id))?.deploys[0]?.state, 'applied');
    letGo.resolve();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(first.id))!), { hello: 'superseded' });
    assert.equal(platform.writer.commits.length, 2);
  });

  it('commits nothing that is not the head of the branch, and finds the head by itself', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const gate = platform.gate('alice/shop/hello');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.send(first);
    await gate.entered;
    const unheard = repo.commit(stackFiles({ hello: 'two' }));
    gate.open();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(first.id))!), { hello: 'superseded' });
    const [newest] = await platform.builder().pushes({ owner: 'alice' });
    assert.equal(newest?.after, unheard.after);
    assert.deepEqual(summary(newest!), { hello: 'live' });
    assert.equal(platform.writer.sourceOf('alice', 'hello'), unheard.after);
  });

  it('prefers the webhook of the head that it found by itself', async () => {
    await using platform = await createPlatform({ config: { webhookGraceMs: 60_000 } });
    const repo = platform.repo('alice', 'shop');
    const gate = platform.gate('alice/shop/hello');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.send(first);
    await gate.entered;
    const second = repo.commit(stackFiles({ hello: 'two' }));
    gate.open();
    while ((await platform.builder().push(first.id))?.state !== 'done') await new Promise(setImmediate);
    await platform.send(second);
    while ((await platform.builder().push(second.id))?.state !== 'done') await new Promise(setImmediate);
    assert.deepEqual(summary((await platform.builder().push(second.id))!), { hello: 'live' });
    assert.equal((await platform.builder().pushes({ owner: 'alice' })).length, 2);
  });

  it('ends with the branch head in whatever order the pushes arrive', async () => {
    const orders = [
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
      [1, 0, 2],
    ];
    for (const order of orders) {
      await using platform = await createPlatform();
      const repo = platform.repo('alice', 'shop');
      const pushes = ['one', 'two', 'three'].map((text) => repo.commit(stackFiles({ hello: text })));
      for (const index of order) await platform.send(pushes[index]!);
      await platform.builder().drain();
      assert.equal(platform.writer.sourceOf('alice', 'hello'), repo.head(), String(order));
    }
  });

  it('deploys a branch that is forced back', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.deliver(first);
    const second = repo.commit(stackFiles({ hello: 'two' }));
    await platform.deliver(second);
    git(repo.dir, 'reset', '--quiet', '--hard', first.after);
    const push = await platform.deliver(repo.event(second.after, first.after));
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.equal(platform.writer.sourceOf('alice', 'hello'), first.after);
  });

  it('builds for one owner while the builds of another never end', async () => {
    await using platform = await createPlatform({ config: { maxConcurrentBuilds: 4 } });
    const names = [...Array(6)].map((_, index) => `fn${index}`);
    const gates = names.map((name) => platform.gate(`alice/shop/${name}`));
    const files = stackFiles(Object.fromEntries(names.map((name) => [name, name])));
    await platform.send(platform.repo('alice', 'shop').commit(files));
    await Promise.all(gates.slice(0, 3).map((gate) => gate.entered));
    const other = platform.repo('bob', 'shop').commit(stackFiles({ hello: 'one' }));
    await platform.send(other);
    // Ends with the push.
    const log = await platform.logOf(other.id);
    assert.ok(log.includes('hello is live: http://bob.localhost/hello'), log.join('\n'));
    assert.deepEqual(platform.engine.started.filter((key) => key.startsWith('alice/')).length, 3);
    for (const gate of gates) gate.open();
  });

  it('gives each owner its turn, however much another one pushes', async () => {
    await using platform = await createPlatform({ config: { maxConcurrentBuilds: 1 } });
    const gate = platform.gate('alice/repo0/hello');
    const events = [...Array(4)].map((_, index) =>
      platform.repo('alice', `repo${index}`).commit(stackFiles({ hello: 'one', bye: 'one' })),
    );
    for (const event of events) await platform.send(event);
    await gate.entered;
    const other = platform.repo('bob', 'shop').commit(stackFiles({ single: 'one' }));
    await platform.send(other);
    // Its place among the waiting is taken once its source is read.
    while ((await platform.builder().push(other.id))?.deploys.length === 0) await new Promise(setImmediate);
    gate.open();
    await platform.builder().drain();
    const place = platform.engine.started.indexOf('bob/shop/single');
    assert.ok(place >= 1 && place <= 2, platform.engine.started.join(' '));
    assert.equal(platform.engine.started.length, 9);
  });

  it('builds a commit again when asked to, without bringing back what was replaced', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    const second = await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
    const again = await platform.builder().rebuild(second.id, bob);
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(again))!), { hello: 'live' });
    assert.equal((await platform.builder().push(again))?.actor.name, 'Bob');
    const old = await platform.builder().rebuild(first.id, bob);
    await platform.builder().drain();
    assert.ok(!(await platform.builder().push(old))?.deploys.some((deploy) => deploy.state === 'live'));
    assert.equal(platform.writer.sourceOf('alice', 'hello'), second.after);
    await assert.rejects(platform.builder().rebuild('nothing', bob), { code: 'not_found' });
  });

  it('keeps a bounded number of pushes per repository', async () => {
    await using platform = await createPlatform({ config: { keepPushes: 3 } });
    const repo = platform.repo('alice', 'shop');
    const events = [...Array(6)].map((_, index) =>
      repo.event(repo.head(), String(index).repeat(40), 'refs/tags/v1'),
    );
    for (const event of events) await platform.deliver(event);
    assert.equal((await platform.builder().pushes({ owner: 'alice' })).length, 3);
    assert.deepEqual(await platform.logOf(events[0]!.id), []);
    assert.equal((await platform.logOf(events[5]!.id)).length, 1);
  });
});

describe('a restart', () => {
  it('takes up what was left, in order, with the newest winning', async () => {
    await using platform = await createPlatform({ start: false });
    const repo = platform.repo('alice', 'shop');
    const events = ['one', 'two', 'three'].map((text) => repo.commit(stackFiles({ hello: text })));
    for (const event of events) await platform.send(event);
    await platform.restart();
    await platform.builder().drain();
    assert.equal(platform.writer.commits.length, 1);
    assert.equal(platform.writer.sourceOf('alice', 'hello'), events[2]!.after);
    assert.deepEqual(
      (await platform.builder().pushes({ owner: 'alice' })).map((push) => push.state),
      ['done', 'done', 'done'],
    );
  });

  it('goes on with a build that was stopped, and leaves nothing of the former on the disk', async () => {
    await using platform = await createPlatform();
    const gate = platform.gate('alice/shop/hello');
    const event = platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' }));
    await platform.send(event);
    await gate.entered;
    const stopping = platform.restart();
    await stopping;
    gate.open();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(event.id))!), { hello: 'live' });
    assert.ok((await platform.logOf(event.id)).includes('taken up again after a restart'));
    assert.equal(platform.writer.commits.length, 1);
  });

  it('follows what was committed without building it again', async () => {
    await using platform = await createPlatform();
    const following = Promise.withResolvers<void>();
    platform.reconciler.beforeLive = (_, signal) => {
      following.resolve();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const event = platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' }));
    await platform.send(event);
    await following.promise;
    platform.reconciler.beforeLive = async () => undefined;
    await platform.restart();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(event.id))!), { hello: 'live' });
    assert.deepEqual([platform.engine.started.length, platform.writer.commits.length], [1, 1]);
  });

  it('finds a push whose webhook never came, and nothing else', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    const known = platform.repo('bob', 'shop').commit(stackFiles({ hello: 'one' }));
    await platform.deliver(known);
    const missed = repo.commit(stackFiles({ hello: 'two' }));
    await platform.restart();
    await platform.builder().drain();
    assert.equal(platform.writer.sourceOf('alice', 'hello'), missed.after);
    assert.equal((await platform.builder().pushes({ owner: 'bob' })).length, 1);
    assert.equal((await platform.send(missed)).duplicate, true);
  });
});
