import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { FollowOutcome, FollowTarget, Reconciler } from '../../core/reconciler.ts';

/** What a commit asks of one function: a version that answers, one that fails, nothing, or nonsense. */
export type Asked = { answer: string } | { broken: true } | { removed: true } | { unreadable: true };

/** A reconciler under test, and a person who commits to its branch. */
export interface ReconcilerSubject extends AsyncDisposable {
  reconciler: Reconciler;
  /** Commits and pushes; gives what to follow. */
  commit(owner: string, functionName: string, asked: Asked): Promise<FollowTarget>;
  /** What is served now, or `undefined`. */
  served(owner: string, functionName: string): Promise<string | undefined>;
}

/** What every adapter of `Reconciler` keeps to. */
export function describeReconciler(name: string, makeSubject: () => Promise<ReconcilerSubject>): void {
  describe(`${name} as a Reconciler`, () => {
    const open: ReconcilerSubject[] = [];
    afterEach(async () => {
      for (const subject of open.splice(0)) await subject[Symbol.asyncDispose]();
    });

    async function make() {
      const subject = await makeSubject();
      open.push(subject);
      const follow = async (target: FollowTarget): Promise<[number, FollowOutcome]> => {
        let applied = 0;
        subject.reconciler.nudge();
        const outcome = await subject.reconciler.follow(target, () => applied++, AbortSignal.timeout(60_000));
        return [applied, outcome];
      };
      return { ...subject, follow };
    }

    it('follows a commit until what it asks for is served, and says once that it is applied', async () => {
      const { commit, served, follow } = await make();
      assert.deepEqual(await follow(await commit('alice', 'hello', { answer: 'one' })), [
        1,
        { type: 'live' },
      ]);
      assert.equal(await served('alice', 'hello'), 'one');
      assert.deepEqual(await follow(await commit('alice', 'hello', { answer: 'two' })), [
        1,
        { type: 'live' },
      ]);
      assert.equal(await served('alice', 'hello'), 'two');
    });

    it('gives the same answer to everyone who follows, also long after', async () => {
      const { commit, follow } = await make();
      const target = await commit('alice', 'hello', { answer: 'one' });
      const outcomes = await Promise.all([follow(target), follow(target)]);
      assert.deepEqual(outcomes, [
        [1, { type: 'live' }],
        [1, { type: 'live' }],
      ]);
      assert.deepEqual(await follow(target), [1, { type: 'live' }]);
    });

    it('follows an older commit that the applied one contains', async () => {
      const { commit, follow } = await make();
      const older = await commit('alice', 'hello', { answer: 'one' });
      const newer = await commit('alice', 'other', { answer: 'two' });
      assert.deepEqual(await follow(newer), [1, { type: 'live' }]);
      assert.deepEqual(await follow(older), [1, { type: 'live' }]);
    });

    it('follows a removal until nothing is left, and calls a deploy before it superseded', async () => {
      const { commit, served, follow } = await make();
      const deploy = await commit('alice', 'hello', { answer: 'one' });
      await follow(deploy);
      const removal = await commit('alice', 'hello', { removed: true });
      assert.deepEqual(await follow(removal), [1, { type: 'removed' }]);
      assert.equal(await served('alice', 'hello'), undefined);
      assert.deepEqual(await follow(deploy), [1, { type: 'superseded' }]);
      await follow(await commit('alice', 'hello', { answer: 'back' }));
      assert.deepEqual(await follow(removal), [1, { type: 'superseded' }]);
    });

    it('calls a commit superseded when a later one asks for something else', async () => {
      const { commit, follow } = await make();
      const first = await commit('alice', 'hello', { broken: true });
      const second = await commit('alice', 'hello', { answer: 'two' });
      assert.deepEqual(await follow(first), [1, { type: 'superseded' }]);
      assert.deepEqual(await follow(second), [1, { type: 'live' }]);
    });

    it('says that a version did not get healthy, while the old one serves', async () => {
      const { commit, served, follow } = await make();
      await follow(await commit('alice', 'hello', { answer: 'good' }));
      const [applied, outcome] = await follow(await commit('alice', 'hello', { broken: true }));
      assert.equal(applied, 1);
      assert.ok(outcome.type === 'failed' && outcome.stage === 'live', JSON.stringify(outcome));
      assert.equal(outcome.cause.code, 'unhealthy');
      assert.ok(outcome.cause.message);
      assert.equal(await served('alice', 'hello'), 'good');
    });

    it('says that a manifest cannot be applied, without disturbing others', async () => {
      const { commit, served, follow } = await make();
      await follow(await commit('alice', 'hello', { answer: 'good' }));
      const [, outcome] = await follow(await commit('alice', 'hello', { unreadable: true }));
      assert.ok(outcome.type === 'failed' && outcome.stage === 'apply', JSON.stringify(outcome));
      assert.deepEqual(await follow(await commit('bob', 'hello', { answer: 'fine' })), [1, { type: 'live' }]);
      assert.equal(await served('alice', 'hello'), 'good');
    });

    it('stops following when told, also before the commit is there', async () => {
      const { reconciler } = await make();
      const target = { owner: 'alice', functionName: 'hello', commit: 'c'.repeat(40), digest: null };
      const controller = new AbortController();
      const following = reconciler.follow(target, () => assert.fail('it is not applied'), controller.signal);
      controller.abort(new Error('enough'));
      await assert.rejects(following, /enough/);
    });
  });
}
