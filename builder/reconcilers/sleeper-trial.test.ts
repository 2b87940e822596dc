import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CatalogEntry, FunctionCatalog, FunctionStatus } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { createFollowing } from './follow-commit.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const image = `registry.test/alice/hello:1@${digest}`;

/** One function that the cluster has asleep with the new version, and what becomes of it when it is woken. */
function asleep(onWake: (show: (status: FunctionStatus, reason?: string) => void) => Promise<void>) {
  const changes = createChangeSignal();
  let woken = 0;
  let entry: CatalogEntry;
  const show = (status: FunctionStatus, reason: string | null = null) => {
    const isServed = status === 'Ready' || status === 'Asleep';
    entry = {
      ...{ owner: 'alice', ownerId: '1', functionName: 'hello', status, hold: null, reason },
      access: 'public',
      ...{ publicReason: reason, image: isServed ? image : null, desiredImage: image, repo: 'r' },
      ...{ branch: 'main', sourceCommit: '1', targets: [], restarts: 0, since: null },
    };
    changes.notify();
  };
  show('Asleep');
  const catalog: FunctionCatalog = {
    lookup: () => entry,
    hasOwner: () => true,
    list: () => [entry],
    subscribe: () => () => undefined,
    touch: () => undefined,
    async wake() {
      woken += 1;
      await onWake(show);
      if (entry.status !== 'Ready') throw new TowlineError('unavailable', entry.reason ?? 'it sleeps');
      return entry;
    },
  };
  const commits = { contains: async () => true, wantedDigest: async () => digest };
  const follow = createFollowing({ changes, catalog, commits, troubleMs: 20, now: Date.now });
  const way = {
    ...{ applied: async () => ({ commit: 'c' }), whyNot: () => undefined, whyBlind: () => undefined },
  };
  return {
    woken: () => woken,
    outcome: () =>
      follow(
        { owner: 'alice', functionName: 'hello', commit: 'c', digest },
        () => way,
        () => undefined,
        AbortSignal.timeout(10_000),
      ),
  };
}

describe('a version that would sleep from the start', () => {
  it('is woken once, and live when it takes requests', async () => {
    const one = asleep(async (show) => {
      show('Deploying');
      show('Ready');
    });
    assert.deepEqual(await one.outcome(), { type: 'live' });
    assert.equal(one.woken(), 1);
  });

  it('that does not start when it is woken has failed, with the reason', async () => {
    const one = asleep(async (show) => {
      show('Deploying');
      show('Failed', 'its image cannot be pulled');
    });
    const cause = { code: 'unhealthy', message: 'its image cannot be pulled' };
    assert.deepEqual(await one.outcome(), { type: 'failed', stage: 'live', cause });
  });

  it('is live where it cannot be woken, or is put to sleep again before it has started', async () => {
    const refused = asleep(async () => {
      throw new TowlineError('unavailable', 'hello cannot be woken');
    });
    assert.deepEqual(await refused.outcome(), { type: 'live' });
    const restless = asleep(async (show) => {
      show('Deploying');
      show('Asleep');
    });
    assert.deepEqual(await restless.outcome(), { type: 'live' });
    assert.equal(restless.woken(), 1);
  });
});
