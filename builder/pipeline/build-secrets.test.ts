import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlatform, stackFiles, summary } from './platform-in-memory.test.ts';

const value = 'S3cr3t/of+alice';
const buildSecrets = {
  value: async (ownerId: string, name: string) =>
    ownerId === 'id-alice' ? ({ npm: value, short: 'abc' } as Record<string, string>)[name] : undefined,
};

function files(handler: string, secret: string): Record<string, string> {
  const plain = stackFiles({ hello: handler });
  return { ...plain, 'stack.yml': `${plain['stack.yml']}    build_secrets:\n      token: ${secret}\n` };
}

/** Everything that the builder has written. */
function written(root: string): string {
  const names = ['builder.db', 'builder.db-wal'].map((name) => join(root, name));
  const logs = readdirSync(join(root, 'logs')).map((name) => join(root, 'logs', name));
  return [...names, ...logs].map((path) => readFileSync(path, 'latin1')).join('\n');
}

describe('a build secret', () => {
  it('reaches the build, and neither its log, its records, its stream nor the disk', async () => {
    await using platform = await createPlatform({ buildSecrets });
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(files('print token', 'npm')));
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.deepEqual(platform.engine.requests[0]?.secrets, { token: value });
    assert.ok((await platform.logOf(push.id)).includes('the value is ***'));
    assert.ok(!JSON.stringify(platform.seen).includes(value));
    assert.ok(!written(platform.root).includes('S3cr3t'));
    assert.ok(!platform.logged.join('\n').includes('S3cr3t'));
  });

  it('is not told by the cause of a failure either', async () => {
    await using platform = await createPlatform({ buildSecrets });
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(files('blurt token', 'npm')));
    assert.equal(push.deploys[0]?.cause?.message, 'no access with ***');
    assert.ok(!written(platform.root).includes('S3cr3t'));
  });

  it('that is missing, or of another owner, fails with the line', async () => {
    await using platform = await createPlatform({ buildSecrets });
    for (const [owner, name] of [
      ['alice', 'none'],
      ['bob', 'npm'],
    ] as const) {
      const push = await platform.deliver(platform.repo(owner, 'shop').commit(files('ok', name)));
      const cause = push.deploys[0]?.cause;
      assert.equal(cause?.code, 'secret_missing');
      assert.equal(cause?.place?.file, 'stack.yml');
      assert.ok((cause?.place?.line ?? 0) > 0);
    }
    assert.equal(platform.engine.started.length, 0);
  });

  it('that is too short to be hidden is refused', async () => {
    await using platform = await createPlatform({ buildSecrets });
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(files('ok', 'short')));
    assert.equal(push.deploys[0]?.cause?.code, 'policy_refused');
    assert.ok(!JSON.stringify(push).includes('abc'));
  });
});
