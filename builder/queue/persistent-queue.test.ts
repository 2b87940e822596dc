import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlatform, stackFiles, summary } from '../pipeline/platform-in-memory.test.ts';

describe('an accepted push that cannot be queued', () => {
  it('is queued as soon as it can be, before the later ones of its repository', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    const obstacle = join(platform.root, 'logs', `${first.id}.ndjson`);
    mkdirSync(obstacle);
    assert.equal((await platform.send(first)).status, 202);
    const second = repo.commit(stackFiles({ hello: 'two' }));
    await platform.send(second);
    assert.equal(await platform.builder().push(second.id), undefined);
    rmdirSync(obstacle);
    await platform.builder().drain();
    assert.match((await platform.builder().push(first.id))?.note ?? '', /^superseded by/);
    assert.deepEqual(summary((await platform.builder().push(second.id))!), { hello: 'live' });
  });

  it('is given up after some tries without holding up anything, and taken up at the next start', async () => {
    await using platform = await createPlatform({ config: { retry: { firstMs: 1, maxMs: 1 } } });
    const repo = platform.repo('alice', 'shop');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    const obstacle = join(platform.root, 'logs', `${first.id}.ndjson`);
    mkdirSync(obstacle);
    await platform.send(first);
    await platform.builder().drain();
    assert.ok(platform.logged.some((line) => line.includes('until the next start')));
    const other = platform.repo('bob', 'shop').commit(stackFiles({ greet: 'one' }));
    assert.deepEqual(summary(await platform.deliver(other)), { greet: 'live' });
    await platform.restart();
    rmdirSync(obstacle);
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(first.id))!), { hello: 'live' });
  });
});
