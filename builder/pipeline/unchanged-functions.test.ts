import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDatabase } from '../deliveries/open-database.ts';
import { createPlatform, stackFiles, summary } from './platform-in-memory.test.ts';

const alice = { name: 'Alice', email: '', login: 'alice' };

describe('a function that a push has not changed', () => {
  it('is not built: its image is reused, nothing is committed, and the log says so', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = repo.commit(stackFiles({ hello: 'one', bye: 'two' }));
    await platform.deliver(first);
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'one', bye: 'three' })));

    assert.deepEqual(summary(push), { hello: 'live', bye: 'live' });
    assert.deepEqual(platform.engine.started.slice().sort(), [
      'alice/shop/bye',
      'alice/shop/bye',
      'alice/shop/hello',
    ]);
    assert.equal(platform.writer.commits.length, 3);
    const hello = push.deploys.find(({ functionName }) => functionName === 'hello')!;
    assert.equal(hello.number, 1);
    const log = await platform.logOf(push.id);
    const digest = hello.image!.split('@')[1];
    assert.ok(log.includes(`hello: unchanged: reusing ${digest} of build ${first.after.slice(0, 7)}`));
    const gitops = hello.gitopsCommit!.slice(0, 7);
    assert.ok(log.includes(`hello: nothing to change since deploy #1 (gitops ${gitops})`), log.join('\n'));
  });

  it('is built again once the installation gives all builds another argument', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const push = (message: string) => platform.deliver(repo.commit(stackFiles({ hello: 'one' }), message));
    await push('One');
    platform.engine.buildArgs = { NODE_IMAGE: 'base/node:24' };
    await push('Two');
    await push('Three');
    assert.equal(platform.engine.started.length, 2);
  });

  it('is deployed without a build when only its configuration changes', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const files = stackFiles({ hello: 'one' });
    await platform.deliver(repo.commit(files));
    const stack = `${files['stack.yml']}    environment:\n      GREETING: hi\n`;
    const push = await platform.deliver(repo.commit({ ...files, 'stack.yml': stack }));
    assert.equal(push.deploys[0]?.number, 2);
    assert.equal(platform.engine.started.length, 1);
  });

  it('is taken back to an earlier content without a build', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const [one] = (await platform.deliver(repo.commit(stackFiles({ hello: 'one' })))).deploys;
    await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
    const [back] = (await platform.deliver(repo.commit(stackFiles({ hello: 'one' })))).deploys;
    assert.deepEqual([back?.image, back?.number], [one?.image, 3]);
    assert.equal(platform.engine.started.length, 2);
  });

  it('is built again if its image is gone, or if somebody asks for it', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    platform.engine.gone.add(first.deploys[0]!.image!);
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'one' }), 'Again'));
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.equal(platform.engine.started.length, 2);
    assert.match((await platform.logOf(push.id)).join('\n'), /that image is gone: building it again/);

    await platform.builder().rebuild(push.id, alice);
    await platform.builder().drain();
    assert.equal(platform.engine.started.length, 2);
    await platform.builder().rebuild(push.id, alice, { force: true });
    await platform.builder().drain();
    assert.equal(platform.engine.started.length, 3);
  });

  it('is built once although the builder dies between the build and its record', async () => {
    await using platform = await createPlatform();
    const committing = Promise.withResolvers<void>();
    platform.writer.beforeCommit = async () => {
      committing.resolve();
      await new Promise(() => {});
    };
    const { id } = await platform.send(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    await committing.promise;
    const records = openDatabase(join(platform.root, 'builder.db'), 'FULL');
    records.exec("UPDATE deploys SET record = json_set(record, '$.state', 'building', '$.image', null)");
    records.close();
    platform.writer.beforeCommit = async () => {};
    await platform.restart({ abandon: true });
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(id))!), { hello: 'live' });
    assert.equal(platform.engine.started.length, 1);
  });

  it('never gets the image of another owner', async () => {
    await using platform = await createPlatform();
    for (const owner of ['alice', 'bob']) {
      const push = await platform.deliver(platform.repo(owner, 'shop').commit(stackFiles({ hello: 'one' })));
      assert.match(push.deploys[0]!.image!, new RegExp(`/${owner}/`));
    }
    assert.deepEqual(platform.engine.started, ['alice/shop/hello', 'bob/shop/hello']);
  });

  it('tells the writer how its source commit was answered before, for a rebuild', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'one' }), 'Only words'));
    const asked: (string | undefined)[] = [];
    platform.writer.beforeCommit = async (intent) => void asked.push(intent.answeredBy);
    await platform.builder().rebuild(push.id, alice);
    await platform.builder().drain();
    assert.deepEqual(asked, [first.deploys[0]!.gitopsCommit]);
  });
});

describe('a stack without functions', () => {
  it('clears away what failed before', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'fail' })));
    assert.equal((await platform.builder().latestDeploys('alice')).length, 1);
    await platform.deliver(repo.commit(stackFiles({})));
    assert.deepEqual(await platform.builder().latestDeploys('alice'), []);
  });
});
