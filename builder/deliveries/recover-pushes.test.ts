import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { defaultBranchOnly } from '../../core/environments.ts';
import type { PushEvent } from '../../core/source-event.ts';
import type { BranchHead } from '../source/source-access.ts';
import { createSqliteDeliveryLog } from './delivery-log-sqlite.ts';
import { openDatabase } from './open-database.ts';
import { findMissed } from './recover-pushes.ts';

it('a missed push is by whom the host names, else by the platform', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-recovery-'));
  const database = openDatabase(join(dir, 'a.db'), 'FULL');
  const actor = { name: 'Alice', email: 'a@example.org', login: 'alice' };
  const head = (name: string): BranchHead => ({
    repository: {
      id: `local:alice/${name}`,
      name,
      owner: 'alice',
      ownerId: 'o1',
      cloneUrl: '',
      defaultBranch: 'main',
      private: true,
    },
    branch: 'main',
    head: 'a'.repeat(40),
  });
  const events: PushEvent[] = [];
  const sourceAccess = {
    locate: () => Promise.reject(new Error('nothing is fetched')),
    async *heads() {
      yield { ...head('known'), actor };
      yield { ...head('told-nothing'), actor: undefined };
      yield head('unknown');
    },
  };

  const log = createSqliteDeliveryLog(database, (_id, error) => assert.ifError(error));
  const missed = await findMissed(log, sourceAccess, {
    known: [],
    refs: defaultBranchOnly,
    emit: async (event) => events.push(event),
    signal: new AbortController().signal,
  });
  assert.deepEqual([missed.isEmpty, events.length], [false, 0]);
  await missed.recover(0);

  database.close();
  rmSync(dir, { recursive: true });
  const platform = { name: 'Towline', email: '', login: 'towline' };
  assert.deepEqual(
    events.map((event) => [event.repository.name, event.actor]),
    [
      ['known', actor],
      ['told-nothing', platform],
      ['unknown', platform],
    ],
  );
});
