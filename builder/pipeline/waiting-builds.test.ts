import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { createPlatform, stackFiles, summary } from './platform-in-memory.test.ts';

const causes = ['the engine is away', 'the registry is away', 'the disk is full'] as const;
const faults: Record<(typeof causes)[number], () => Error> = {
  'the engine is away': () => new TowlineError('engine_unavailable', 'buildkitd cannot be reached'),
  'the registry is away': () => new TowlineError('registry_unavailable', 'the registry cannot be reached'),
  'the disk is full': () => Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }),
};

describe('a build that cannot be made now', () => {
  for (const cause of causes) {
    it(`waits, says why, and is made when it can be: ${cause}`, async () => {
      // Longer than changes are gathered before they are published.
      await using platform = await createPlatform({ config: { retry: { firstMs: 250, maxMs: 250 } } });
      platform.engine.away = 2;
      platform.engine.fault = faults[cause];
      const push = await platform.deliver(
        platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })),
      );
      assert.deepEqual(summary(push), { hello: 'live' });
      assert.equal(push.deploys[0]?.cause, null);
      const waits = (await platform.logOf(push.id)).filter((line) => line.startsWith('waiting: '));
      assert.equal(waits.length, 2);
      assert.match(waits[0]!, /cannot be reached|no room left/);
      const seen = platform.seen.flatMap((event) =>
        event.type === 'push.changed' ? event.push.deploys.map((deploy) => deploy.cause?.code) : [],
      );
      assert.ok(seen.some((code) => code === 'engine_unavailable' || code === 'registry_unavailable'));
    });
  }

  it('fails with the cause when the patience is over', async () => {
    await using platform = await createPlatform({ config: { remotePatienceMs: 0 } });
    platform.engine.away = 1000;
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    assert.deepEqual(summary(push), { hello: 'failed' });
    assert.deepEqual([push.deploys[0]?.stage, push.deploys[0]?.cause?.code], ['build', 'engine_unavailable']);
    assert.equal(platform.writer.commits.length, 0);
  });

  it('holds no place meanwhile', async () => {
    await using platform = await createPlatform({
      config: { maxConcurrentBuilds: 1, retry: { firstMs: 60_000, maxMs: 60_000 } },
    });
    platform.engine.away = 1;
    const waiting = await platform.send(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    const isWaiting = async () => (await platform.builder().push(waiting.id))?.deploys[0]?.cause !== null;
    while (platform.engine.away > 0 || !(await isWaiting()))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await platform.send(platform.repo('bob', 'blog').commit(stackFiles({ hi: 'two' })));
    while ((await platform.builder().push(other.id))?.state !== 'done') {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(summary((await platform.builder().push(other.id))!), { hi: 'live' });
    assert.equal((await platform.builder().push(waiting.id))?.state, 'running');
  });
});
