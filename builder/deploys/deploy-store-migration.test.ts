import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createSqliteDeployStore } from './deploy-store-sqlite.ts';

test('a database of before there were environments is taken over, its deploys as those of the default one', () => {
  using database = new DatabaseSync(':memory:');
  database.exec(`
    CREATE TABLE deploys (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, push_id TEXT NOT NULL,
      owner TEXT NOT NULL, function_name TEXT, record TEXT NOT NULL) STRICT;
    INSERT INTO deploys (id, push_id, owner, function_name, record)
      VALUES ('d1', 'p1', 'alice', 'hello', '{"id":"d1","owner":"alice","functionName":"hello","state":"live"}');
  `);
  for (const _ of [1, 2]) {
    const store = createSqliteDeployStore(database);
    assert.deepEqual(
      store.latestDeploys('alice').map(({ id }) => id),
      ['d1'],
    );
    assert.deepEqual(store.latestDeploys('alice', 'staging'), []);
    assert.equal(store.latestDeploy('alice', 'hello', 'staging'), undefined);
  }
});
