import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openDatabase } from '../deliveries/open-database.ts';
import { arrival, describeArrivalStore } from './arrival-store.contract.ts';
import { createSqliteArrivalStore } from './arrival-store-sqlite.ts';

describeArrivalStore('sqlite', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-arrivals-'));
  const databases: ReturnType<typeof openDatabase>[] = [];
  const open = () => {
    const database = openDatabase(join(dir, 'a.db'), 'FULL');
    databases.push(database);
    return createSqliteArrivalStore(database, assert.fail, 5);
  };
  return {
    store: open(),
    reopen: open,
    dispose: () => {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});

it('leaves out and tells of an arrival that it cannot read, and gives the others', async () => {
  const database = openDatabase(':memory:', 'FULL');
  const unreadable: string[] = [];
  const store = createSqliteArrivalStore(database, (id) => void unreadable.push(id));
  for (const id of ['1', '2']) await store.add(arrival(id, id), 1);
  database.exec(`UPDATE gitlab_arrivals SET arrival = '{' WHERE id = '1'`);
  assert.deepEqual(
    store.oldest(10).map((each) => each.arrival.id),
    ['2'],
  );
  assert.deepEqual(unreadable, ['1']);
  database.close();
});
