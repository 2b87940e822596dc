import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createGroupCommit } from './group-commit.ts';
import { openDatabase } from './open-database.ts';

function withDatabase(test: (path: string, database: ReturnType<typeof openDatabase>) => Promise<void>) {
  return async () => {
    const dir = mkdtempSync(join(tmpdir(), 'towline-group-'));
    const database = openDatabase(join(dir, 'a.db'), 'FULL');
    database.exec('CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT');
    try {
      await test(join(dir, 'a.db'), database);
    } finally {
      database.close();
      rmSync(dir, { recursive: true });
    }
  };
}

describe('a group commit', () => {
  it(
    'makes one transaction of what comes together, and others see it when it resolves',
    withDatabase(async (path, database) => {
      const group = createGroupCommit(database);
      const other = openDatabase(path, 'FULL');
      const insert = database.prepare('INSERT INTO one (id) VALUES (?)');
      const seen = () => Number(other.prepare('SELECT COUNT(*) AS n FROM one').get()?.['n']);
      const inside: number[] = [];
      const all = Array.from({ length: 50 }, (_, id) =>
        group.run(() => {
          insert.run(id);
          inside.push(seen());
          return id;
        }),
      );
      assert.equal(await all[0], 0);
      assert.equal(seen(), 50);
      assert.deepEqual(await Promise.all(all), [...Array(50).keys()]);
      // Nobody saw a part of it.
      assert.deepEqual(new Set(inside), new Set([0]));
      other.close();
    }),
  );

  it(
    'keeps the others when one throws, and nothing of that one',
    withDatabase(async (_, database) => {
      const group = createGroupCommit(database);
      const insert = database.prepare('INSERT INTO one (id) VALUES (?)');
      const results = await Promise.allSettled([
        group.run(() => insert.run(1)),
        group.run(() => {
          insert.run(2);
          throw new Error('no');
        }),
        group.run(() => insert.run(1)),
        group.run(() => insert.run(3)),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
      );
      const ids = database.prepare('SELECT id FROM one ORDER BY id').all();
      assert.deepEqual(
        ids.map(({ id }) => id),
        [1, 3],
      );
    }),
  );

  it(
    'tells everybody when it cannot be committed, and goes on afterwards',
    withDatabase(async (path, database) => {
      database.exec('PRAGMA busy_timeout = 1');
      const group = createGroupCommit(database);
      const other = openDatabase(path, 'FULL');
      other.exec('BEGIN IMMEDIATE');
      const insert = database.prepare('INSERT INTO one (id) VALUES (?)');
      const work = () => [1, 2].map((id) => group.run(() => insert.run(id)));
      const failed = await Promise.allSettled(work());
      assert.deepEqual(
        failed.map(({ status }) => status),
        ['rejected', 'rejected'],
      );
      other.exec('ROLLBACK');
      other.close();
      await Promise.all(work());
      assert.equal(database.prepare('SELECT COUNT(*) AS n FROM one').get()?.['n'], 2);
    }),
  );

  it(
    'loses nothing of more than one group holds',
    withDatabase(async (_, database) => {
      const group = createGroupCommit(database);
      const insert = database.prepare('INSERT INTO one (id) VALUES (?)');
      await Promise.all(Array.from({ length: 1001 }, (_, id) => group.run(() => insert.run(id))));
      assert.equal(database.prepare('SELECT COUNT(*) AS n FROM one').get()?.['n'], 1001);
    }),
  );
});
