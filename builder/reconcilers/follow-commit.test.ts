import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { FunctionCatalog } from '../../core/catalog.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { createTelling } from './argo-telling.ts';
import { createFollowing } from './follow-commit.ts';

const catalog: FunctionCatalog = {
  lookup: () => undefined,
  hasOwner: () => true,
  list: () => [],
  subscribe: () => () => undefined,
  touch: () => undefined,
  wake: () => assert.fail('nothing sleeps'),
};
const commits = { contains: async () => true, wantedDigest: async () => undefined };
const target = { owner: 'alice', functionName: 'hello', commit: 'c', digest: `sha256:${'a'.repeat(64)}` };

async function settled(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await turn();
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    mock.timers.tick(50);
    await settled();
  }
}

describe('those who follow at the same time', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 }));
  afterEach(() => mock.timers.reset());

  /** They came one after the other, and the cluster's life woke them all meanwhile. */
  async function crowd(isApplied: boolean) {
    const changes = createChangeSignal();
    const follow = createFollowing({ changes, catalog, commits, troubleMs: 1_000, now: Date.now });
    const stopping = new AbortController();
    const seen = { asked: 0, told: 0 };
    const nudge = Object.assign(() => void seen.told++, { [Symbol.asyncDispose]: async () => undefined });
    const ends: Promise<unknown>[] = [];
    for (let follower = 0; follower < 20; follower++) {
      const following = follow(
        target,
        (alarm) => {
          const telling = createTelling({ nudge, setUpNudge: nudge, now: Date.now, alarm });
          return {
            async applied() {
              seen.asked += 1;
              if (isApplied) return { commit: 'c' };
              telling.toLook();
              return undefined;
            },
            ...{ whyNot: () => undefined, whyBlind: () => undefined },
          };
        },
        () => undefined,
        stopping.signal,
      );
      ends.push(following.catch(() => undefined));
      await pass(100);
      changes.notify();
    }
    await pass(10_000);
    return { seen, changes, stopping, ends };
  }

  it('wake each itself alone: each tells Argo CD every five seconds, and asks git then', async () => {
    const { seen, stopping, ends } = await crowd(false);
    Object.assign(seen, { asked: 0, told: 0 });
    await pass(50_000);
    assert.equal(seen.told, 20 * 10);
    assert.equal(seen.asked, 20 * 10);
    stopping.abort(new Error('enough'));
    await Promise.all(ends);
  });

  it('ask once a second each what git may know by then', async () => {
    const { seen, stopping, ends } = await crowd(true);
    seen.asked = 0;
    await pass(10_000);
    assert.equal(seen.asked, 20 * 10);
    stopping.abort(new Error('enough'));
    await Promise.all(ends);
  });

  it('leave no timer behind', async () => {
    const { seen, changes, stopping, ends } = await crowd(false);
    const cleared = mock.method(globalThis, 'clearTimeout').mock;
    stopping.abort(new Error('enough'));
    await Promise.all(ends);
    assert.ok(cleared.callCount() >= 20);
    cleared.restore();
    seen.asked = 0;
    changes.notify();
    await pass(20_000);
    assert.equal(seen.asked, 0);
  });
});
