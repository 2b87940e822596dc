import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FunctionSummary } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { HistoryEntry, ManifestWriter } from '../../../core/manifest-writer.ts';
import { createEventBus } from '../../../runtime/event-bus.ts';
import {
  catalogEntry,
  createFakeRooms,
  deployRecord,
  fakeBuilds,
  fakeCatalog,
  fakeWriter,
  historyEntry,
  imageOf,
  pushRecord,
  sha,
} from '../testing/platform.ts';
import { createDeployHistory } from './deploy-history.ts';
import { createFunctionRows } from './function-rows.ts';

const alex: Owner = { id: 'id-alex', slug: 'alex', role: 'member', name: 'Alex', email: '' };
const ownerId = alex.id;

function setUp(changeWriter: (writer: ManifestWriter) => ManifestWriter = (writer) => writer) {
  const rooms = createFakeRooms();
  const events = createEventBus();
  const time = { now: 1_000_000 };
  const history = createDeployHistory(changeWriter(fakeWriter(rooms)), events, { clock: () => time.now });
  const rows = createFunctionRows({
    environment: 'default',
    catalog: fakeCatalog(rooms),
    pending: {
      pending(owner, name) {
        const found = rooms.pending.get(`${owner}/${name}`);
        return found && { ...found, publicReason: 'it is not there yet' };
      },
    },
    builds: fakeBuilds(rooms),
    history,
    functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
  });
  const changed = (functionName: string) =>
    events.publish({ type: 'history.changed', ownerId, owner: 'alex', functionName, commit: sha('2') });
  return { rooms, events, time, history, rows, changed };
}

const pick = ({ status, reason, number }: FunctionSummary) => ({ status, reason, number });
const cause = { code: 'build_failed', message: 'the build failed' } as const;

describe('a row of the functions page', () => {
  it('joins what runs, what git says and the newest deploy', async () => {
    const { rooms, rows } = setUp();
    const deploy = deployRecord({ ownerId });
    rooms.entries = [catalogEntry({ ownerId })];
    rooms.history = [historyEntry()];
    rooms.deploys = [deploy];

    assert.deepEqual(await rows.all(alex), [
      {
        owner: 'alex',
        environment: 'default',
        functionName: 'hello',
        url: 'http://alex.localhost/hello',
        status: 'Ready',
        serving: 'Ready',
        hold: null,
        waiting: null,
        reason: null,
        repo: 'app',
        branch: 'main',
        sourceCommit: sha('a'),
        sourceSubject: 'Fix greeting',
        author: 'Dana',
        number: 1,
        deployedAt: 1_000,
        lastDeploy: deploy,
      },
    ]);
  });

  it('shows a held function as held, and beside it what it serves and what waits', async () => {
    const { rooms, rows } = setUp();
    const hold = { by: 'dana', since: 1_000, reason: 'a fair' };
    const waiting = deployRecord({ ownerId, id: 'deploy-2', state: 'held', number: null });
    const other = deployRecord({ ownerId: 'somebody else', id: 'deploy-3', state: 'held' });
    rooms.entries = [catalogEntry({ ownerId, status: 'Degraded', reason: 'it crashed', hold })];
    rooms.history = [historyEntry()];
    rooms.deploys = [other, waiting];

    const [row] = await rows.all(alex);
    assert.deepEqual([row?.status, row?.serving, row?.reason], ['Held', 'Degraded', 'it crashed']);
    assert.deepEqual([row?.hold, row?.waiting], [hold, waiting]);
  });

  it('tells of the deploy that is served while a newer one is not', async () => {
    const { rooms, rows } = setUp();
    rooms.entries = [
      catalogEntry({ ownerId, image: imageOf('1'), desiredImage: imageOf('2'), reason: 'exit 1' }),
    ];
    rooms.history = [
      historyEntry({ number: 2, commit: sha('2'), image: imageOf('2'), committedAt: 2_000 }),
      historyEntry({ number: 1 }),
    ];
    rooms.deploys = [
      deployRecord({ id: 'deploy-2', ownerId, state: 'failed', cause, sourceCommit: sha('b') }),
    ];

    assert.deepEqual((await rows.all(alex)).map(pick), [{ status: 'Ready', reason: 'exit 1', number: 1 }]);
  });

  it('says that the last deploy failed over a healthy version, until something newer is committed', async () => {
    const { rooms, rows, changed } = setUp();
    rooms.entries = [catalogEntry({ ownerId })];
    rooms.history = [historyEntry()];
    rooms.deploys = [deployRecord({ id: 'deploy-2', ownerId, state: 'failed', cause, updatedAt: 2_500 })];
    assert.equal((await rows.all(alex))[0]?.reason, 'the last deploy failed: the build failed');

    rooms.history = [
      historyEntry({ number: 2, kind: 'revert', commit: sha('2'), committedAt: 2_000 }),
      historyEntry(),
    ];
    changed('hello');

    assert.deepEqual((await rows.all(alex)).map(pick), [{ status: 'Ready', reason: null, number: 2 }]);
  });

  it('shows functions that only exist as a first deploy: waiting, building, failed, held', async () => {
    const { rooms, rows } = setUp();
    rooms.deploys = (
      ['queued', 'building', 'built', 'failed', 'held', 'skipped', 'superseded', 'removed'] as const
    ).map((state) =>
      deployRecord({ ownerId, functionName: `fn-${state}`, state, cause: state === 'failed' ? cause : null }),
    );
    rooms.deploys.push(deployRecord({ ownerId, functionName: null, state: 'failed', cause }));
    rooms.pending.set('alex/fn-queued', { status: 'Queued', reason: '2 ahead' });

    const list = await rows.all(alex);

    assert.deepEqual(Object.fromEntries(list.map((row) => [row.functionName, [row.status, row.reason]])), {
      'fn-queued': ['Queued', '2 ahead'],
      'fn-building': ['Building', null],
      'fn-built': ['Deploying', null],
      'fn-failed': ['Failed', 'the build failed'],
      'fn-held': ['Held', null],
    });
    assert.ok(list.every((row) => row.number === null));
  });

  it('is there from the commit on, before anything runs, and gone with the removal', async () => {
    const { rooms, rows, changed } = setUp();
    rooms.history = [historyEntry()];
    assert.deepEqual((await rows.all(alex)).map(pick), [{ status: 'Deploying', reason: null, number: null }]);

    rooms.history = [
      historyEntry({ number: 2, kind: 'remove', present: false, image: null }),
      historyEntry(),
    ];
    changed('hello');

    assert.deepEqual(await rows.all(alex), []);
    const removed = await rows.one(alex, 'hello');
    assert.deepEqual(removed && pick(removed), {
      status: 'Deleting',
      reason: 'it was removed in #2',
      number: null,
    });
    assert.equal(await rows.one(alex, 'never'), undefined);
  });

  it('has the source of the deploy that a revert restored', async () => {
    const { rooms, rows } = setUp();
    rooms.entries = [catalogEntry({ ownerId })];
    rooms.history = [
      historyEntry({
        number: 3,
        commit: sha('3'),
        kind: 'revert',
        sourceCommit: null,
        buildId: null,
        restores: 1,
      }),
      historyEntry({ number: 2, commit: sha('2'), image: imageOf('2') }),
      historyEntry({ number: 1, buildId: 'deploy-0', sourceCommit: sha('c') }),
    ];
    rooms.deploys = [
      deployRecord({ ownerId, sourceSubject: 'Broken' }),
      deployRecord({ ownerId, id: 'deploy-0', functionName: null, sourceSubject: 'Good one' }),
    ];

    const row = (await rows.all(alex))[0];

    assert.deepEqual([row?.number, row?.sourceCommit, row?.sourceSubject], [3, sha('c'), 'Good one']);
  });

  it('counts a sleeping function as served', async () => {
    const { rooms, rows } = setUp();
    rooms.entries = [catalogEntry({ ownerId, status: 'Asleep', image: null })];
    rooms.history = [historyEntry()];

    assert.deepEqual((await rows.all(alex)).map(pick), [{ status: 'Asleep', reason: null, number: 1 }]);
  });

  it('is never that of an owner with the same slug and another id', async () => {
    const { rooms, rows } = setUp();
    rooms.entries = [catalogEntry({ ownerId: 'another' })];
    rooms.deploys = [deployRecord({ ownerId: 'another', state: 'failed' })];

    assert.deepEqual(await rows.all(alex), []);
  });

  it('says that what git asks for is not there, once it was live', async () => {
    const { rooms, rows } = setUp();
    rooms.history = [historyEntry()];
    rooms.deploys = [deployRecord({ ownerId, state: 'live' })];
    const [row] = await rows.all(alex);
    assert.equal(row?.status, 'Degraded');
    assert.match(row.reason ?? '', /^git asks for it, and it is not there/);
  });

  it('says why the newest deploy waits, beside what serves and while nothing does', async () => {
    const { rooms, rows } = setUp();
    const waiting = 'the Kustomization flux-system/tenant-alex is suspended';
    rooms.history = [historyEntry()];
    rooms.deploys = [deployRecord({ ownerId, state: 'committed', waiting })];
    const [away] = await rows.all(alex);
    rooms.entries = [catalogEntry({ ownerId })];
    const [there] = await rows.all(alex);
    assert.deepEqual([away?.status, there?.status], ['Deploying', 'Ready']);
    for (const row of [away, there]) assert.equal(row?.reason, `the last deploy waits: ${waiting}`);
  });
});

describe('a thousand rows', () => {
  it('cost one question to git, and one more for each function that changed', async () => {
    const { rooms, rows, changed } = setUp();
    const names = Array.from({ length: 1_000 }, (_, index) => `fn-${String(index).padStart(4, '0')}`);
    rooms.entries = names.map((functionName) => catalogEntry({ ownerId, functionName }));
    rooms.history = names.map((functionName) => historyEntry({ functionName }));
    rooms.deploys = names.map((functionName) => deployRecord({ ownerId, functionName, id: functionName }));

    const lists = await Promise.all([rows.all(alex), rows.all(alex), rows.all(alex)]);
    assert.equal(lists[2]?.length, 1_000);
    assert.deepEqual(
      lists[0]?.map((row) => row.functionName),
      names,
    );
    assert.equal(rooms.historyReads, 1);

    changed('fn-0007');
    await rows.all(alex);
    await rows.all(alex);
    assert.equal(rooms.historyReads, 2);

    for (const name of names) changed(name);
    await rows.all(alex);
    assert.equal(rooms.historyReads, 3);
  });
});

describe('what is known of git', () => {
  it('is read again after a deploy was committed, and not for pushes that committed nothing', async () => {
    const { rooms, rows, events } = setUp();
    rooms.history = [historyEntry()];
    await rows.all(alex);
    const publish = (gitopsCommit: string | null) =>
      events.publish({
        type: 'push.changed',
        ownerId,
        owner: 'alex',
        push: pushRecord({ ownerId, deploys: [deployRecord({ ownerId, gitopsCommit })] }),
      });

    publish(null);
    publish(sha('1'));
    await rows.all(alex);
    assert.equal(rooms.historyReads, 1);

    publish(sha('2'));
    await rows.all(alex);
    assert.equal(rooms.historyReads, 2);
  });

  it('has the newest deploy, though no event told of it, and is asked once for one that it has not', async () => {
    const { rooms, rows } = setUp();
    rooms.entries = [catalogEntry({ ownerId })];
    rooms.history = [historyEntry()];
    await rows.all(alex);

    rooms.entries = [catalogEntry({ ownerId, image: imageOf('2') })];
    rooms.history = [historyEntry({ number: 2, commit: sha('2'), image: imageOf('2') }), historyEntry()];
    rooms.deploys = [deployRecord({ ownerId, gitopsCommit: sha('2') })];
    assert.equal((await rows.all(alex))[0]?.number, 2);

    rooms.deploys = [deployRecord({ ownerId, gitopsCommit: sha('3') })];
    await rows.all(alex);
    await rows.all(alex);
    assert.equal(rooms.historyReads, 3);
  });

  it('is read again after a while, in case no event told of a change', async () => {
    const { rooms, rows, time } = setUp();
    await rows.all(alex);

    time.now += 10_001;
    await rows.all(alex);

    assert.equal(rooms.historyReads, 2);
  });

  it('is never older than a change that came while it was read', async () => {
    const gates: (() => void)[] = [];
    const { rooms, rows, changed } = setUp((writer) => ({
      ...writer,
      async history(query): Promise<HistoryEntry[]> {
        const seen = await writer.history(query);
        await new Promise<void>((resolve) => gates.push(resolve));
        return seen;
      },
    }));
    rooms.history = [historyEntry()];
    rooms.entries = [catalogEntry({ ownerId, image: imageOf('2'), desiredImage: imageOf('2') })];
    const before = rows.all(alex);
    await new Promise(setImmediate);

    rooms.history = [historyEntry({ number: 2, commit: sha('2'), image: imageOf('2') }), historyEntry()];
    changed('hello');
    const after = rows.all(alex);
    const open = setInterval(() => gates.shift()?.(), 1);
    const [late] = await after;
    await before;
    clearInterval(open);

    assert.equal(late?.number, 2);
  });

  it('is asked for again after a failure', async () => {
    let broken = true;
    const { rooms, rows } = setUp((writer) => ({
      ...writer,
      history: (query) => (broken ? Promise.reject(new Error('git is away')) : writer.history(query)),
    }));
    rooms.history = [historyEntry()];
    await assert.rejects(rows.all(alex), /git is away/);

    broken = false;

    assert.equal((await rows.all(alex)).length, 1);
  });
});
