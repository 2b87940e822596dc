import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FunctionCatalog, Unseen } from '../../core/catalog.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { createFollowing } from './follow-commit.ts';

/** A commit is applied, and the catalog has no function; whether that means anything is another matter. */
function follow(digest: string | null) {
  const changes = createChangeSignal();
  let unseen: Unseen | undefined = { cause: 'the namespace tenant-alice cannot be read: 403', isBlank: true };
  const catalog: FunctionCatalog = {
    lookup: () => undefined,
    unseen: () => unseen,
    hasOwner: () => false,
    list: () => [],
    subscribe: () => () => undefined,
    touch: () => undefined,
    wake: () => assert.fail('nothing sleeps'),
  };
  const commits = { contains: async () => true, wantedDigest: async () => digest };
  const following = createFollowing({ changes, catalog, commits, troubleMs: 20, now: Date.now });
  const way = { applied: async () => ({ commit: 'c' }), whyNot: () => undefined, whyBlind: () => undefined };
  const stopping = new AbortController();
  const noted = Promise.withResolvers<string>();
  let isOver = false;
  const outcome = following(
    { owner: 'alice', functionName: 'hello', commit: 'c', digest },
    () => way,
    () => undefined,
    stopping.signal,
    (why) => why !== null && noted.resolve(why),
  ).finally(() => {
    isOver = true;
  });
  return {
    outcome,
    noted: noted.promise,
    isOver: () => isOver,
    stop: () => stopping.abort(new Error('stopped')),
    // As in the cluster: nothing of the catalog changes when an empty namespace has been read.
    see(next: Unseen | undefined) {
      unseen = next;
    },
  };
}

describe('an owner of whom nothing can be seen', () => {
  it('has a removal wait until it is seen that there is nothing, and say why', async () => {
    const one = follow(null);
    assert.match(await one.noted, /cannot be seen: the namespace tenant-alice cannot be read: 403$/);
    assert.equal(one.isOver(), false);
    one.see(undefined);
    assert.deepEqual(await one.outcome, { type: 'removed' });
  });

  it('has a removal end by the last good table', async () => {
    const one = follow(null);
    one.see({ cause: 'the API server is away', isBlank: false });
    assert.deepEqual(await one.outcome, { type: 'removed' });
  });

  it('does not have a deploy say that somebody deleted the function', async () => {
    const one = follow(`sha256:${'a'.repeat(64)}`);
    assert.match(await one.noted, /cannot be read: 403$/);
    one.stop();
    await assert.rejects(one.outcome, /stopped/);
  });
});
