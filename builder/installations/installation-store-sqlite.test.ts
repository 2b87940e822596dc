import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { InstallationEvent } from '../../core/forge-events.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';

const event = (id: string): InstallationEvent => ({
  ...{ type: 'account-renamed', id, scm: 'github', formerPath: 'old' },
  account: { id: '1', path: 'new', kind: 'user' },
  actor: { name: 'Alice', email: '', login: 'alice' },
});

it('keeps what forges told, and what they know, through a death', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-installations-'));
  const databases = [openDatabase(join(dir, 'a.db'), 'FULL')];
  const open = () => {
    const database = openDatabase(join(dir, 'a.db'), 'FULL');
    databases.push(database);
    return createSqliteInstallationStore(database, assert.ifError);
  };
  const store = open();
  for (const id of ['1', '2', '1']) store.put(event(id));
  store.handled('1');
  store.put(event('1'));
  const repository = {
    ...{ scm: 'github' as const, id: '7', ownerId: '1', name: 'shop', path: 'Alice/shop' },
    ...{ private: true, installationId: '9', removeAt: 5 },
  };
  assert.equal(store.putOwner({ scm: 'github', id: '1', slug: 'alice', path: 'Alice' }), true);
  assert.equal(store.putOwner({ scm: 'gitlab', id: '1', slug: 'alice', path: 'alice' }), false);
  assert.equal(store.putRepository(repository), true);
  assert.equal(store.putRepository({ ...repository, id: '8' }), false);
  for (const [id, state] of [
    ['10', 'active'],
    ['9', 'deleted'],
    ['100', 'suspended'],
  ] as const) {
    store.putInstallation({ id, accountId: '1', state });
  }
  store.setMark('seen', 5);
  store.setMark('seen', 6);

  const again = open();
  assert.deepEqual(
    again.waiting().map(({ id }) => id),
    ['2'],
  );
  assert.equal(again.owner('github', '1')?.slug, 'alice');
  assert.equal(again.owner('gitlab', '1'), undefined);
  assert.deepEqual(again.repositories(), [repository]);
  assert.deepEqual(again.newestInstallation('1'), { id: '100', accountId: '1', state: 'suspended' });
  assert.equal(again.mark('seen'), 6);
  again.forgetRepository('github', '7');
  assert.equal(store.repository('github', '7'), undefined);
  for (const database of databases) database.close();
  rmSync(dir, { recursive: true });
});
