import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openWaitingStore } from './waiting-store-sqlite.ts';

test('the newest 100 removals of each owner wait, however many another one asks for', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-waiting-'));
  try {
    using store = openWaitingStore(join(dir, 'waiting.db'));
    const ask = (owner: string, askedAt: number) => {
      const asked = { owner, ownerId: `id-of-${owner}`, repo: 'app', reason: '', functionNames: [] };
      const actor = { name: owner, email: `${owner}@example.org`, login: owner };
      const pending = { ...asked, id: `${owner}-${askedAt}`, limit: 25, askedAt, state: 'waiting' as const };
      store.putRemoval({ ...pending, actor: owner }, { ...asked, actor, sourceCommit: null });
    };
    ask('alice', 1);
    for (let at = 2; at <= 121; at += 1) ask('bob', at);
    assert.deepEqual(
      store.removals('id-of-alice').map(({ id }) => id),
      ['alice-1'],
    );
    const bobs = store.removals('id-of-bob');
    assert.deepEqual([bobs.length, bobs[0]?.id, bobs.at(-1)?.id], [100, 'bob-22', 'bob-121']);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
