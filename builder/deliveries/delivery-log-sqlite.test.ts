import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { describeDeliveryLog } from './delivery-log.contract.ts';
import { createSqliteDeliveryLog } from './delivery-log-sqlite.ts';
import { openDatabase } from './open-database.ts';

describeDeliveryLog('sqlite', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-deliveries-'));
  const databases = [openDatabase(join(dir, 'a.db'), 'FULL')];
  return {
    log: createSqliteDeliveryLog(databases[0]!, assert.fail),
    reopen: async () => {
      const database = openDatabase(join(dir, 'a.db'), 'FULL');
      databases.push(database);
      return createSqliteDeliveryLog(database, assert.fail);
    },
    dispose: async () => {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});

const pushEvent = (id: string): PushEvent => ({
  type: 'push',
  id,
  scm: 'git',
  repository: {
    id,
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
});

it('leaves out and tells of a delivery that it cannot read, and gives the others', async () => {
  const database = openDatabase(':memory:', 'FULL');
  const unreadable: string[] = [];
  const log = createSqliteDeliveryLog(database, (id) => void unreadable.push(id));
  for (const id of ['1', '2', '3', '4'])
    await log.append({ event: pushEvent(id), origin: 'hook', receivedAt: 1 });
  database.exec(`UPDATE deliveries SET event = '{"type":"other"}' WHERE id = '2'`);
  database.exec(`UPDATE deliveries SET event = '{' WHERE id = '3'`);
  assert.deepEqual(
    (await log.pending()).map((delivery) => delivery.event.id),
    ['1', '4'],
  );
  assert.deepEqual(unreadable, ['2', '3']);
  assert.equal(await log.find('2'), undefined);
  database.close();
});

it('takes over the database of a version that could not cancel', async () => {
  const database = openDatabase(':memory:', 'FULL');
  createSqliteDeliveryLog(database, assert.fail);
  for (const column of ['forced', 'cancelled_by'])
    database.exec(`ALTER TABLE deliveries DROP COLUMN ${column}`);
  const log = createSqliteDeliveryLog(database, assert.fail);
  assert.deepEqual(await log.pending(), []);
  assert.equal(await log.cancel('none', { name: 'Bob', email: '', login: 'bob' }), false);
  database.close();
});

it('gives what a former run left in parts, in order, past those that it cannot read', async () => {
  const database = openDatabase(':memory:', 'FULL');
  const log = createSqliteDeliveryLog(database, () => {});
  const count = 650;
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      log.append({ event: pushEvent(`${index}`), origin: 'hook', receivedAt: 1 }),
    ),
  );
  // More than one part has nothing that can be read.
  database.exec(`UPDATE deliveries SET event = '{' WHERE seq > 200 AND seq <= 600`);
  const next = createSqliteDeliveryLog(database, () => {});
  const ids: string[] = [];
  for (let part = await next.take(); part.length > 0; part = await next.take()) {
    assert.ok(part.length <= 200);
    ids.push(...part.map(({ event }) => event.id));
  }
  const readable = (index: number) => index < 200 || index >= 600;
  const expected = [...Array(count).keys()].filter(readable).map(String);
  assert.deepEqual(ids, expected);
  database.close();
});
