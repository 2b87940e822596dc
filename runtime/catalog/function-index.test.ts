import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CatalogChange } from '../../core/catalog.ts';
import { createFunctionIndex } from './function-index.ts';
import type { DesiredFunction } from './observed-function.ts';
import type { ObservedInstance, ObservedWorkload } from './observed-workload.ts';

function desired(namespace: string, change: Partial<DesiredFunction> = {}): DesiredFunction {
  return {
    ...{ owner: 'alice', ownerId: '17', functionName: 'hello', namespace, objectName: 'alice-hello' },
    ...{ image: 'r/hello:two', repo: 'r', branch: 'main', sourceCommit: '2'.repeat(40), hold: null },
    access: 'public',
    ...{ isDeleting: false, drift: undefined, ...change },
  };
}

function workload(change: Partial<ObservedWorkload> = {}): ObservedWorkload {
  return {
    ...{ image: 'r/hello:two', sourceCommit: '2'.repeat(40), isRolledOut: true, replicas: 1, available: 1 },
    ...{ access: 'public', problem: undefined, availableSince: 1, ...change },
  };
}

function instance(
  namespace: string,
  version: string,
  change: Partial<ObservedInstance> = {},
): ObservedInstance {
  const image = `r/hello:${version}`;
  return {
    ...{ functionObject: `${namespace}/alice-hello`, image, sourceCommit: version.repeat(3) },
    ...{ access: 'public', isReady: true, trouble: undefined, ...change },
  };
}

function setUp() {
  const changes: CatalogChange[] = [];
  const index = createFunctionIndex({
    targetsOf: ({ namespace }) => [{ origin: `http://alice-hello.${namespace}` }],
    onChange: (change) => changes.push(change),
  });
  return { index, changes, entry: () => index.lookup('alice', 'hello') };
}

describe('the index of functions', () => {
  it('is the same whichever part comes first', () => {
    const parts = [
      (one: ReturnType<typeof setUp>) => one.index.put('a/alice-hello', { desired: desired('a') }),
      (one: ReturnType<typeof setUp>) => one.index.put('a/alice-hello', { workload: workload() }),
      (one: ReturnType<typeof setUp>) => one.index.putInstance('a/pod', instance('a', 'two'), undefined),
    ];
    const orders = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [2, 0, 1],
    ];
    const entries = orders.map((order) => {
      const one = setUp();
      for (const at of order) parts[at]?.(one);
      return one.entry();
    });
    for (const entry of entries) assert.deepEqual(entry, entries[0]);
    assert.equal(entries[0]?.status, 'Ready');
  });

  it('hands a function on when the object that had it first is gone, without a moment without it', () => {
    const { index, changes, entry } = setUp();
    for (const namespace of ['a', 'b']) {
      index.put(`${namespace}/alice-hello`, { desired: desired(namespace), workload: workload() });
    }
    assert.equal(entry()?.targets[0]?.origin, 'http://alice-hello.a');
    index.put('a/alice-hello', { desired: undefined, workload: undefined });
    assert.equal(entry()?.targets[0]?.origin, 'http://alice-hello.b');
    assert.ok(changes.every((change) => change.entry !== undefined));
    index.put('b/alice-hello', { desired: undefined, workload: undefined });
    assert.equal(entry(), undefined);
    assert.equal(index.hasOwner('alice'), false);
  });

  it('takes a version for rolled out only if what runs is made from its commit', () => {
    const { index, entry } = setUp();
    const old = workload({ sourceCommit: '1'.repeat(40) });
    index.put('a/alice-hello', { desired: desired('a'), workload: old });
    assert.equal(entry()?.status, 'Deploying');
    index.put('a/alice-hello', { workload: workload() });
    assert.equal(entry()?.status, 'Ready');
    // What does not say its commit is believed by its image.
    index.put('a/alice-hello', { workload: workload({ sourceCommit: '' }) });
    assert.equal(entry()?.status, 'Ready');
  });

  it('shows as served what pods say, to who starts in a rollout; and nothing that is not ready', () => {
    const { index, entry } = setUp();
    const rolling = workload({ isRolledOut: false, replicas: 2 });
    index.put('a/alice-hello', { desired: desired('a'), workload: rolling });
    assert.deepEqual([entry()?.image, entry()?.targets.length], [null, 1]);
    const trouble = { reason: 'ImagePullBackOff', message: 'no such image', restarts: 0 };
    index.putInstance('a/new', instance('a', 'two', { isReady: false, trouble }), undefined);
    index.putInstance('a/old', instance('a', 'one'), undefined);
    assert.deepEqual([entry()?.status, entry()?.image], ['Degraded', 'r/hello:one']);
    assert.equal(entry()?.sourceCommit, 'oneoneone');
    assert.match(entry()?.reason ?? '', /its image cannot be pulled: no such image; the version before/);
  });

  it('lets in as few as the strictest of all that may answer, and its owner alone while that is not known', () => {
    const { index, entry } = setUp();
    const rolling = workload({ isRolledOut: false, replicas: 2 });
    index.put('a/alice-hello', { desired: desired('a'), workload: rolling });
    assert.equal(entry()?.access, 'owner', 'nothing says what answers');
    index.putInstance('a/one', instance('a', 'one', { access: 'members' }), undefined);
    assert.equal(entry()?.access, 'members');
    const closed = instance('a', 'half', { access: 'owner' });
    index.putInstance('a/half', closed, undefined);
    assert.equal(entry()?.access, 'owner');
    index.putInstance('a/half', undefined, closed);
    const starting = instance('a', 'half', { access: 'owner', isReady: false });
    index.putInstance('a/starting', starting, undefined);
    assert.equal(entry()?.access, 'members', 'what takes no requests yet says nothing');
    index.put('a/alice-hello', { workload: workload() });
    assert.equal(entry()?.access, 'public', 'nothing else is left, whatever is still to be told of pods');
  });

  it('opens no sooner than the template, where the version keeps its image and commit', () => {
    const { index, entry } = setUp();
    const closed = workload({ access: 'owner' });
    index.put('a/alice-hello', { desired: desired('a', { access: 'owner' }), workload: closed });
    index.put('a/alice-hello', { desired: desired('a') });
    assert.equal(entry()?.access, 'owner', 'the operator has not seen it');
    index.put('a/alice-hello', { workload: workload({ isRolledOut: false }) });
    assert.equal(entry()?.access, 'owner', 'pods of the former template answer');
    index.put('a/alice-hello', { workload: workload() });
    assert.equal(entry()?.access, 'public');
  });

  it('takes the revision that Knative names for what answers, and not those that it keeps', () => {
    const { index, entry } = setUp();
    index.putInstance('a/first', instance('a', 'first', { access: 'owner' }), undefined);
    index.putInstance('a/second', instance('a', 'second', { access: 'members' }), undefined);
    const rolling = workload({ isRolledOut: false });
    index.put('a/alice-hello', { desired: desired('a'), workload: rolling, readyInstance: 'a/second' });
    assert.deepEqual([entry()?.access, entry()?.image], ['members', 'r/hello:second']);
  });

  it('is told about pods of functions that it does not know, and forgets them with their pods', () => {
    const { index, changes, entry } = setUp();
    const pod = instance('a', 'two');
    index.putInstance('a/pod', pod, undefined);
    index.putInstance('a/pod', undefined, pod);
    assert.deepEqual([changes, entry()], [[], undefined]);
  });

  it('shows what was changed by hand as it is, and what is worse first', () => {
    const { index, entry } = setUp();
    const drift = 'differs from git: image changed in the cluster by kubectl-edit';
    index.put('a/alice-hello', { desired: desired('a', { drift }), workload: workload() });
    assert.deepEqual([entry()?.status, entry()?.reason, entry()?.targets.length], ['Degraded', drift, 1]);
    index.put('a/alice-hello', { workload: workload({ replicas: 0 }) });
    assert.deepEqual([entry()?.status, entry()?.reason], ['Asleep', drift]);
    const stuck = workload({ isRolledOut: false, problem: 'exceeded quota' });
    index.put('a/alice-hello', { workload: stuck });
    assert.match(entry()?.reason ?? '', /exceeded quota/);
    assert.equal(entry()?.drift, drift);
    index.put('a/alice-hello', { desired: desired('a'), workload: workload() });
    assert.deepEqual([entry()?.status, entry()?.reason], ['Ready', null]);
  });
});
