import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushRecord } from '../../core/deploy.ts';
import { defaultBranchOnly } from '../../core/environments.ts';
import { zeroSha } from '../../core/names.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import type { BuildLogStore } from '../logs/build-log-store.ts';
import { createSqliteDeployStore } from './deploy-store-sqlite.ts';
import { createPushJournal } from './push-journal.ts';

const delivery: Delivery = {
  seq: 1,
  origin: 'hook',
  receivedAt: 1,
  event: {
    type: 'push',
    id: 'p1',
    scm: 'git',
    repository: {
      id: 'r1',
      name: 'shop',
      owner: 'alice',
      ownerId: 'o1',
      cloneUrl: 'http://localhost/alice/shop.git',
      defaultBranch: 'main',
      private: false,
    },
    actor: { name: 'Alice', email: 'a@example.org', login: 'alice' },
    ref: 'refs/heads/main',
    before: zeroSha,
    after: 'a'.repeat(40),
  },
};

const logs = { open() {}, append: () => undefined, close: async () => undefined } as unknown as BuildLogStore;

function setUp() {
  const database = openDatabase(':memory:', 'NORMAL');
  const events = createEventBus();
  const published: PushRecord[] = [];
  events.subscribe((event) => {
    if (event.type === 'push.changed') published.push(event.push);
  });
  const store = createSqliteDeployStore(database);
  const onError = (error: unknown) => assert.fail(String(error));
  const journal = createPushJournal(delivery, {
    store,
    logs,
    events,
    refs: defaultBranchOnly,
    now: () => 1,
    onError,
  });
  return {
    journal,
    store,
    published,
    [Symbol.dispose]: () => database.close(),
  };
}

describe('the journal of a push', () => {
  it('publishes changes that follow closely together, and stores each at once', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    using subject = setUp();
    const { journal, published, store } = subject;
    assert.equal(published.length, 1);
    journal.start();
    for (let n = 0; n < 100; n += 1) journal.change(journal.open(`f${n}`).id, { state: 'building' });
    assert.equal(published.length, 1);
    assert.equal(store.push('p1')?.deploys.length, 100);
    t.mock.timers.tick(50);
    assert.equal(published.length, 2);
    assert.deepEqual(published.at(-1), journal.push());
    t.mock.timers.tick(1000);
    assert.equal(published.length, 2);
  });

  it('publishes the end at once, and nothing after it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    using subject = setUp();
    const { journal, published } = subject;
    journal.change(journal.open('f').id, { state: 'live' });
    await journal.end('note');
    assert.equal(published.length, 2);
    assert.deepEqual([published.at(-1)?.state, published.at(-1)?.deploys[0]?.state], ['done', 'live']);
    t.mock.timers.tick(1000);
    assert.equal(published.length, 2);
  });
});
