import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { FunctionCatalog } from '../../core/catalog.ts';
import type { FollowOutcome } from '../../core/reconciler.ts';
import type { ClusterApi, ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createArgoReconciler } from './reconciler-argocd.ts';

const logger = createLogger({ name: 'reconciler', level: 'silent' });
const digest = `sha256:${'a'.repeat(64)}`;
const target = { owner: 'alice', functionName: 'hello', commit: 'ours', digest };

const catalog: FunctionCatalog = {
  lookup: () => undefined,
  hasOwner: () => true,
  list: () => [],
  subscribe: () => () => undefined,
  touch: () => undefined,
  wake: () => assert.fail('nothing sleeps'),
};
/** Git cannot be asked: a commit holds itself alone. */
const commits = { contains: async () => false, wantedDigest: async () => undefined };

/** The Application of one tenant, of which an API server tells what Argo CD would write. */
function application(first: object) {
  let status = first;
  let version = 1;
  let next = Promise.withResolvers<void>();
  const object = () =>
    ({
      metadata: { name: 'tenant-alice', namespace: 'argocd', resourceVersion: String(version) },
      ...{ spec: { syncPolicy: { automated: {} } }, status },
    }) as unknown as ClusterObject;
  const api: ClusterApi = {
    request: async <T>(_path: string, { method = 'GET' } = {}) =>
      (method === 'GET'
        ? { metadata: { resourceVersion: String(version) }, items: [object()] }
        : object()) as T,
    async *lines(_path, { query, signal, onOpen }) {
      const stopped = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      onOpen?.();
      for (let told = Number(query?.['resourceVersion']); ; told = version) {
        if (told === version) await Promise.race([next.promise, stopped]);
        yield { type: 'MODIFIED', object: object() };
      }
    },
  };
  return {
    api,
    /** Argo CD has looked, and writes what it found. */
    async looks(found: object): Promise<void> {
      status = found;
      version += 1;
      next.resolve();
      next = Promise.withResolvers();
      for (let turns = 0; turns < 20; turns++) await turn();
    },
  };
}

/** What Argo CD cannot read leaves no commit. */
const unreadable = (reconciledAt: string) => ({
  ...{ sync: { status: 'Unknown' }, reconciledAt },
  conditions: [
    { type: 'ComparisonError', message: 'Failed to unmarshal manifest in tenants/alice/hello.yaml' },
  ],
});

function follow(api: ClusterApi) {
  let ms = 0;
  const config = { namespace: 'argocd', applicationOf: (owner: string) => `tenant-${owner}` };
  const reconciler = createArgoReconciler(config, { api, catalog, commits, logger, now: () => ms });
  const stopping = new AbortController();
  const seen: { applied: number; outcome?: FollowOutcome } = { applied: 0 };
  const following = reconciler
    .follow(target, () => void seen.applied++, stopping.signal)
    .then((outcome) => void Object.assign(seen, { outcome }))
    .catch(() => undefined);
  return {
    seen,
    /** It has the list, and the follower has seen it. */
    async synced(): Promise<void> {
      await reconciler.synced;
      await turn();
    },
    pass(some: number): void {
      ms += some;
    },
    outcome: () => seen.outcome,
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('enough'));
      await following;
      await reconciler[Symbol.asyncDispose]();
    },
  };
}

describe('what Argo CD cannot read', () => {
  it('is not held against the commit that mends it, however long a look at the one before takes', async () => {
    const { api, looks } = application(unreadable('10:00:00'));
    await using one = follow(api);
    await one.synced();
    // It was under way when the follower came.
    await looks(unreadable('10:00:01'));
    one.pass(60_000);
    await looks({ ...unreadable('10:00:01'), resources: [] });
    assert.equal(one.outcome(), undefined);
    await looks({ sync: { status: 'Synced', revision: 'ours' }, reconciledAt: '10:01:02' });
    assert.equal(one.seen.applied, 1);
    assert.equal(one.outcome(), undefined);
  });

  it('is told as a failure once a later look has found the same, and that lasts', async () => {
    const { api, looks } = application({
      sync: { status: 'Synced', revision: 'older' },
      reconciledAt: '10:00:00',
    });
    await using one = follow(api);
    await one.synced();
    await looks(unreadable('10:00:01'));
    await looks(unreadable('10:00:02'));
    assert.equal(one.outcome(), undefined);
    one.pass(15_000);
    await looks(unreadable('10:00:03'));
    const outcome = one.outcome();
    assert.ok(outcome?.type === 'failed' && outcome.stage === 'apply', JSON.stringify(outcome));
    assert.equal(outcome.cause.code, 'manifest_refused');
    assert.equal(one.seen.applied, 0);
  });
});
