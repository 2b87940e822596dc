import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createPlatform, stackFiles, summary } from './platform-in-memory.test.ts';

it('a deploy whose hold ended unheard goes on once it is known that events were missed', async () => {
  await using platform = await createPlatform();
  const repo = platform.repo('alice', 'shop');
  await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
  platform.writer.held.add('hello');
  const held = await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
  assert.deepEqual(summary(held), { hello: 'held' });

  platform.writer.held.delete('hello');
  await platform.builder().drain();
  assert.equal((await platform.builder().heldDeploys()).length, 1);
  platform.events.publish({ type: 'events.missed' });
  await platform.builder().drain();

  const push = await platform.builder().push(held.id);
  assert.deepEqual(push && summary(push), { hello: 'live' });
  assert.deepEqual(await platform.builder().heldDeploys(), []);
});
