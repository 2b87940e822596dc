import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import { zeroSha } from '../../core/names.ts';
import type { DeployStore } from './deploy-store.ts';

const actor = { name: 'Alice', email: 'a@example.org', login: 'alice' };

function push(id: string, more: Partial<PushRecord> = {}): Omit<PushRecord, 'deploys'> {
  const { deploys: _, ...record }: PushRecord = {
    id,
    owner: 'alice',
    ownerId: 'o1',
    repo: 'shop',
    ref: 'refs/heads/main',
    before: zeroSha,
    after: 'a'.repeat(40),
    actor,
    state: 'done',
    note: null,
    deploys: [],
    createdAt: 1,
    updatedAt: 1,
    ...more,
  };
  return record;
}

function deploy(id: string, pushId: string, more: Partial<DeployRecord> = {}): DeployRecord {
  return {
    id,
    pushId,
    owner: 'alice',
    ownerId: 'o1',
    repo: 'shop',
    branch: 'main',
    functionName: 'hello',
    sourceCommit: 'a'.repeat(40),
    sourceSubject: 'Fix',
    actor,
    state: 'live',
    stage: 'live',
    cause: { code: 'build_failed', message: 'no', place: { file: 'stack.yml', line: 3 } },
    steps: [{ stage: 'queue', startedAt: 1, endedAt: null }],
    image: null,
    gitopsCommit: null,
    number: 2,
    warnings: ['careful'],
    createdAt: 1,
    updatedAt: 1,
    ...more,
  };
}

/** What every deploy store must do. */
export function describeDeployStore(
  name: string,
  makeSubject: () => { store: DeployStore; reopen: () => DeployStore; dispose: () => void },
): void {
  function withStore(test: (store: DeployStore, reopen: () => DeployStore) => void) {
    return () => {
      const { store, reopen, dispose } = makeSubject();
      try {
        test(store, reopen);
      } finally {
        dispose();
      }
    };
  }

  describe(`DeployStore: ${name}`, () => {
    it(
      'gives back a push with its deploys in the order they were made, also after a restart',
      withStore((store, reopen) => {
        store.putPush(push('p'));
        store.putDeploy(deploy('d2', 'p', { functionName: 'b' }));
        store.putDeploy(deploy('d1', 'p', { functionName: null }));
        store.putDeploy(deploy('d2', 'p', { functionName: 'b', state: 'failed' }));
        const expected = {
          ...push('p'),
          deploys: [
            deploy('d2', 'p', { functionName: 'b', state: 'failed' }),
            deploy('d1', 'p', { functionName: null }),
          ],
        };
        assert.deepEqual(store.push('p'), expected);
        assert.deepEqual(reopen().push('p'), expected);
        assert.equal(store.push('q'), undefined);
        assert.equal(store.deploy('d1')?.functionName, null);
        assert.equal(store.deploy('d9'), undefined);
      }),
    );

    it(
      'lists pushes newest first, by owner and repository, up to the limit',
      withStore((store) => {
        for (const id of ['1', '2', '3']) store.putPush(push(id));
        store.putPush(push('other-repo', { repo: 'blog' }));
        store.putPush(push('other-owner', { owner: 'bob' }));
        store.putPush(push('1', { note: 'changed' }));
        const ids = (query: Parameters<DeployStore['pushes']>[0]) => store.pushes(query).map(({ id }) => id);
        assert.deepEqual(ids({ owner: 'alice' }), ['other-repo', '3', '2', '1']);
        assert.deepEqual(ids({ owner: 'alice', repo: 'shop', limit: 2 }), ['3', '2']);
        assert.deepEqual(ids({ owner: "x' OR 1=1 --" }), []);
        assert.deepEqual(ids({ owner: 'alice', limit: -1 }), []);
      }),
    );

    it(
      'finds the newest record of each function',
      withStore((store) => {
        store.putPush(push('1'));
        store.putPush(push('2'));
        store.putDeploy(deploy('h1', '1'));
        store.putDeploy(deploy('g1', '1', { functionName: 'goodbye' }));
        store.putDeploy(deploy('none', '1', { functionName: null }));
        store.putDeploy(deploy('h2', '2', { state: 'failed' }));
        store.putDeploy(deploy('h1', '1', { updatedAt: 99 }));
        store.putDeploy(deploy('b1', '1', { owner: 'bob' }));
        const ids = (owner?: string) => store.latestDeploys(owner).map(({ id }) => id);
        assert.deepEqual(ids('alice'), ['g1', 'h2']);
        assert.deepEqual(ids(), ['g1', 'h2', 'b1']);
        assert.equal(store.latestDeploy('alice', 'hello')?.id, 'h2');
        assert.equal(store.latestDeploy('alice', 'nothing'), undefined);
      }),
    );

    it(
      'finds the deploys that wait for their function to be resumed, and the pushes that have not ended',
      withStore((store, reopen) => {
        store.putPush(push('1'));
        store.putPush(push('2', { state: 'running' }));
        store.putPush(push('3', { state: 'queued' }));
        store.putDeploy(deploy('h1', '1', { state: 'held' }));
        store.putDeploy(deploy('h2', '2', { state: 'held' }));
        store.putDeploy(deploy('b1', '2', { owner: 'bob', state: 'held' }));
        store.putDeploy(deploy('h3', '3'));
        store.putDeploy(deploy('h1', '1', { state: 'superseded' }));
        for (const each of [store, reopen()]) {
          assert.deepEqual(
            each.heldDeploys().map(({ id }) => id),
            ['b1', 'h2'],
          );
          assert.deepEqual(
            each.heldDeploys('alice').map(({ id }) => id),
            ['h2'],
          );
          assert.deepEqual(each.openPushes(), ['2', '3']);
        }
      }),
    );

    it(
      'drops a failed function with the first newer push whose readable stack does not name it',
      withStore((store) => {
        const latest = () => store.latestDeploys('alice').map(({ id }) => id);
        store.putPush(push('1'));
        store.putDeploy(deploy('bad', '1', { functionName: '..', state: 'failed' }));
        store.putDeploy(deploy('ran', '1', { functionName: 'ran' }));
        store.putPush(push('skipped', { note: 'a tag' }));
        store.putPush(push('unreadable'));
        store.putDeploy(deploy('none', 'unreadable', { functionName: null, state: 'failed' }));
        store.putPush(push('elsewhere', { repo: 'blog' }));
        store.putDeploy(deploy('b', 'elsewhere', { repo: 'blog', functionName: 'b' }));
        assert.deepEqual(latest(), ['bad', 'b', 'ran']);
        assert.equal(store.latestDeploy('alice', '..')?.id, 'bad');

        store.putPush(push('readable', { state: 'running' }));
        store.putDeploy(deploy('h', 'readable', { state: 'queued' }));
        assert.deepEqual(latest(), ['b', 'h', 'ran']);
        assert.equal(store.latestDeploy('alice', '..'), undefined);
        assert.equal(store.deploy('bad')?.state, 'failed');
      }),
    );

    it(
      'drops a failed function with a newer push whose stack names none at all',
      withStore((store) => {
        store.putPush(push('1'));
        store.putDeploy(deploy('bad', '1', { state: 'failed' }));
        store.putPush(push('skipped', { note: 'a tag' }));
        assert.equal(store.latestDeploy('alice', 'hello')?.id, 'bad');
        store.putPush(push('empty', { stackRead: 'default' }));
        assert.equal(store.latestDeploy('alice', 'hello'), undefined);
      }),
    );

    it(
      'drops all failed functions of a deleted repository, and shows what was there before a dropped one',
      withStore((store) => {
        store.putPush(push('1', { repo: 'blog' }));
        store.putDeploy(deploy('owned', '1', { repo: 'blog' }));
        store.putPush(push('2'));
        store.putDeploy(deploy('taken', '2', { state: 'failed' }));
        store.putDeploy(deploy('first', '2', { functionName: 'first', state: 'failed' }));
        assert.equal(store.latestDeploy('alice', 'hello')?.id, 'taken');

        store.putPush(push('deletion', { ref: '', after: zeroSha }));

        assert.deepEqual(
          store.latestDeploys().map(({ id }) => id),
          ['owned'],
        );
        assert.equal(store.latestDeploy('alice', 'hello')?.id, 'owned');
        assert.equal(store.latestDeploy('alice', 'first'), undefined);
      }),
    );

    it(
      'tells what an earlier deploy of a source commit was committed as',
      withStore((store) => {
        const [one, two] = ['1'.repeat(40), '2'.repeat(40)];
        for (const id of ['1', '2', '3', '4']) store.putPush(push(id));
        store.putDeploy(deploy('d1', '1', { gitopsCommit: one, image: 'r/i@x' }));
        store.putDeploy(deploy('d2', '2', { gitopsCommit: two, image: 'r/i@x' }));
        store.putDeploy(deploy('d3', '3', { state: 'skipped' }));
        store.putDeploy(deploy('gone', '4', { gitopsCommit: one, image: null }));
        assert.equal(store.answerOf(deploy('new', '5')), two);
        assert.equal(store.answerOf(deploy('d2', '2')), one);
        assert.equal(store.answerOf(deploy('new', '5', { sourceCommit: 'b'.repeat(40) })), undefined);
        assert.equal(store.answerOf(deploy('new', '5', { ownerId: 'o2' })), undefined);
        assert.equal(store.answerOf(deploy('new', '5', { repo: 'blog' })), undefined);
        assert.equal(store.answerOf(deploy('new', '5', { functionName: 'other' })), undefined);
      }),
    );

    it(
      'gives the pushes that changed since a time, or whose deploys did',
      withStore((store) => {
        for (const id of ['1', '2', '3', '4']) store.putPush(push(id, { updatedAt: Number(id) * 10 }));
        store.putDeploy(deploy('d1', '1', { updatedAt: 45 }));
        store.putDeploy(deploy('d2', '2', { updatedAt: 20 }));
        const ids = (time: number) => store.changedSince(time).map(({ id }) => id);
        assert.deepEqual(ids(30), ['1', '3', '4']);
        assert.deepEqual(ids(41), ['1']);
        assert.deepEqual(store.changedSince(41)[0]?.deploys, [deploy('d1', '1', { updatedAt: 45 })]);
        assert.deepEqual(ids(50), []);
      }),
    );

    it(
      'forgets old finished pushes of one repository with their deploys',
      withStore((store) => {
        store.putPush(push('open', { state: 'running' }));
        for (const id of ['1', '2', '3']) {
          store.putPush(push(id));
          store.putDeploy(deploy(`d${id}`, id));
        }
        store.putPush(push('other', { repo: 'blog' }));
        assert.deepEqual(store.prune({ ownerId: 'o1', repo: 'shop' }, 2).sort(), ['1']);
        assert.equal(store.push('1'), undefined);
        assert.equal(store.deploy('d1'), undefined);
        assert.ok(store.push('open') && store.push('2') && store.push('3') && store.push('other'));
      }),
    );
  });
}
