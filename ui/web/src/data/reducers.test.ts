import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deploy, entry, push, sha, summary } from '../../testing/records.ts';
import {
  applyCatalogChange,
  applyPush,
  applyPushToFunctions,
  countByFilter,
  filtersOf,
  matchesText,
  sortFunctions,
} from './reducers.ts';

const names = (rows: { functionName: string }[]) => rows.map((row) => row.functionName);

describe('a deploy that waits', () => {
  const first = deploy({ id: 'one', state: 'held', createdAt: 10 });
  const second = deploy({ id: 'two', pushId: 'p-2', state: 'held', createdAt: 20 });
  const waitingAfter = (waiting: typeof first | null, changed: typeof first) =>
    applyPushToFunctions([summary({ waiting })], push({ deploys: [changed] })).list[0]?.waiting?.id ?? null;

  it('is the newest that is held, until it goes on', () => {
    assert.equal(waitingAfter(null, first), 'one');
    assert.equal(waitingAfter(first, second), 'two');
    assert.equal(waitingAfter(second, first), 'two', 'an older one never takes its place');
    assert.equal(waitingAfter(first, { ...first, state: 'committed' }), null);
    assert.equal(waitingAfter(second, { ...first, state: 'superseded' }), 'two');
  });
});

describe('a change of the catalog', () => {
  it('changes status and reason of the one row', () => {
    const rows = [summary(), summary({ functionName: 'other' })];
    const change = {
      owner: 'demo',
      functionName: 'hello',
      entry: entry({ status: 'Degraded', reason: 'exit 1' }),
    };
    const { list } = applyCatalogChange(rows, change);
    assert.deepEqual(
      list.map((row) => [row.functionName, row.status, row.reason]),
      [
        ['hello', 'Degraded', 'exit 1'],
        ['other', 'Ready', null],
      ],
    );
  });

  it('asks again for what it does not carry: another commit, a new function, one that is gone', () => {
    const rows = [summary()];
    const same = { owner: 'demo', functionName: 'hello', entry: entry() };
    assert.equal(applyCatalogChange(rows, same).refetch, false);
    const other = { ...same, entry: entry({ sourceCommit: sha('f') }) };
    assert.equal(applyCatalogChange(rows, other).refetch, true);
    assert.equal(applyCatalogChange(rows, { ...same, functionName: 'new' }).refetch, true);
    assert.equal(applyCatalogChange(rows, { ...same, entry: undefined }).refetch, true);
    assert.equal(applyCatalogChange([], { ...same, entry: undefined }).refetch, false);
  });

  it('shows a hold before what is served, keeps both, and leaves other environments alone', () => {
    const hold = { by: 'lee', since: 1, reason: 'a fair' };
    const change = { owner: 'demo', functionName: 'hello', entry: entry({ status: 'Degraded', hold }) };
    const [row] = applyCatalogChange([summary()], change).list;
    assert.deepEqual([row?.status, row?.serving, row?.hold], ['Held', 'Degraded', hold]);
    assert.deepEqual(filtersOf(row!).sort(), ['all', 'failing', 'held']);
    const rows = [summary()];
    assert.deepEqual(applyCatalogChange(rows, change, 'staging'), { list: rows, refetch: false });
  });

  it('never takes the function of another owner for its own', () => {
    const change = { owner: 'dem', functionName: 'hello', entry: entry({ owner: 'dem', status: 'Failed' }) };
    assert.equal(applyCatalogChange([summary()], change).list[0]?.status, 'Ready');
  });
});

describe('a change of a push', () => {
  it('is the last deploy of its functions', () => {
    const building = deploy({ id: 'd-2', state: 'building' });
    const { list, refetch } = applyPushToFunctions([summary()], push({ deploys: [building] }));
    assert.equal(list[0]?.lastDeploy?.state, 'building');
    assert.equal(refetch, false);
  });

  it('is ignored for a function with a newer deploy, and when it comes late', () => {
    const newer = deploy({ id: 'd-2', createdAt: 2000, updatedAt: 2500 });
    const rows = [summary({ lastDeploy: newer })];
    const older = deploy({ id: 'd-1', createdAt: 1000, updatedAt: 9000, state: 'failed' });
    assert.equal(applyPushToFunctions(rows, push({ deploys: [older] })).list, rows);
    const late = { ...newer, updatedAt: 2400, state: 'building' as const };
    assert.equal(applyPushToFunctions(rows, push({ deploys: [late] })).list, rows);
  });

  it('asks for the list when a function is new or a deploy ended, not for a broken stack.yml', () => {
    assert.equal(applyPushToFunctions([], push({ deploys: [deploy()] })).refetch, true);
    const broken = deploy({ functionName: null, state: 'failed' });
    assert.equal(applyPushToFunctions([], push({ deploys: [broken] })).refetch, false);
    assert.equal(applyPushToFunctions([summary()], push({ deploys: [deploy()] })).refetch, true);
  });

  it('joins the list of pushes once, newest first, and never goes back in time', () => {
    const first = push({ id: 'p-1', createdAt: 1, updatedAt: 5 });
    const second = push({ id: 'p-2', createdAt: 2, updatedAt: 2 });
    const list = applyPush(applyPush([], first), second);
    assert.deepEqual(
      list.map(({ id }) => id),
      ['p-2', 'p-1'],
    );
    assert.equal(applyPush(list, { ...first, updatedAt: 4 }), list);
    assert.equal(applyPush(list, { ...first, updatedAt: 6, note: 'x' })[1]?.note, 'x');
  });
});

describe('the list of functions', () => {
  const failedOverHealthy = summary({
    functionName: 'b',
    lastDeploy: deploy({ state: 'failed', createdAt: 5 }),
  });
  const rows = [
    summary({ functionName: 'old', deployedAt: 1 }),
    summary({ functionName: 'new', deployedAt: 10 }),
    { ...failedOverHealthy, deployedAt: 2 },
    summary({ functionName: 'a', status: 'Asleep', deployedAt: 3 }),
    summary({ functionName: 'f', status: 'Failed', deployedAt: 1 }),
  ];

  it('has failing ones first, then the newest', () => {
    assert.deepEqual(names(sortFunctions(rows)), ['b', 'f', 'new', 'a', 'old']);
  });

  it('counts by filter; a failed deploy over a healthy version is failing', () => {
    assert.deepEqual(countByFilter(rows), { all: 5, failing: 2, building: 0, asleep: 1, held: 0 });
    assert.ok(filtersOf(summary({ lastDeploy: deploy({ state: 'built' }) })).includes('building'));
  });

  it('is filtered by every word, in any field', () => {
    assert.equal(matchesText(summary(), 'HELLO dana'), true);
    assert.equal(matchesText(summary(), 'hello nobody'), false);
    assert.equal(matchesText(summary(), ''), true);
  });
});
