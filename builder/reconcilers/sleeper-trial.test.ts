import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CatalogEntry, FunctionCatalog, FunctionStatus } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { ClusterError } from '../../runtime/kubernetes/cluster-api.ts';
import { createFollowing } from './follow-commit.ts';
import { createSleeperTrial } from './sleeper-trial.ts';

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

  it('is live untried where it may not be woken, or is put to sleep again before it has started', async () => {
    const refused = asleep(async () => {
      throw cannotBeWoken(new ClusterError(403, 'Forbidden', 'deployments/scale is forbidden'));
    });
    assert.deepEqual(await refused.outcome(), {
      type: 'live',
      untried: 'hello cannot be woken: the API server answers 403: deployments/scale is forbidden',
    });
    assert.equal(refused.woken(), 1);
    const restless = asleep(async (show) => {
      show('Deploying');
      show('Asleep');
    });
    const untried = 'it was put to sleep again before it had started';
    assert.deepEqual(await restless.outcome(), { type: 'live', untried });
    assert.equal(restless.woken(), 1);
  });

  it('is woken again after an error that passes, and is not called live for it', async () => {
    const troubles = [new ClusterError(503, '', 'it is starting'), new Error('read ECONNRESET')];
    const one = asleep(async (show) => {
      const trouble = troubles.shift();
      if (trouble) throw cannotBeWoken(trouble);
      show('Failed', 'its image cannot be pulled');
    });
    const { type } = await one.outcome();
    assert.equal(type, 'failed');
    assert.equal(one.woken(), 3);
  });

  it('is live untried where it could not be woken for as long as there was time', async () => {
    const trouble = cannotBeWoken(new ClusterError(500, '', 'etcd is away'));
    const done = Promise.withResolvers<void>();
    const trial = createSleeperTrial(
      { wake: () => Promise.reject(trouble) },
      { owner: 'alice', functionName: 'hello' },
      { ms: 100, retry: { firstMs: 1, maxMs: 10 }, wake: () => trial.isUnderWay(signal) || done.resolve() },
    );
    const { signal } = new AbortController();
    assert.equal(trial.isUnderWay(signal), true);
    // `wake` is called at each error and at the end.
    await done.promise;
    assert.equal(trial.whyUntried(), 'hello cannot be woken: the API server answers 500: etcd is away');
  });
});

/** As the cluster's catalog says it. */
function cannotBeWoken(cause: Error): TowlineError {
  return new TowlineError('unavailable', 'hello cannot be woken', { cause });
}
