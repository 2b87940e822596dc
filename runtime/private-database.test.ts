import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPrivateDatabase } from './private-database.ts';

test('a database is its owner’s alone: its folder, its file, its log, and one that was open to others', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'towline-private-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'deep', 'er', 'some.db');
  const mode = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);
  const files = ['', '-wal', '-shm'].map((ending) => `${path}${ending}`);
  const open = () => {
    const database = openPrivateDatabase(path);
    database.exec(
      'pragma journal_mode = wal; create table if not exists a (b text); insert into a values (1)',
    );
    return database;
  };
  const first = open();
  t.after(() => first.close());
  assert.deepEqual(await Promise.all([join(folder, 'deep'), join(folder, 'deep', 'er')].map(mode)), [
    '700',
    '700',
  ]);
  assert.deepEqual(await Promise.all(files.map(mode)), ['600', '600', '600']);
  for (const file of files) await chmod(file, 0o644);
  const second = open();
  t.after(() => second.close());
  assert.deepEqual(await Promise.all(files.map(mode)), ['600', '600', '600']);
});
