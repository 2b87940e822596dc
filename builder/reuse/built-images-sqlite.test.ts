import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../deliveries/open-database.ts';
import { describeBuiltImages } from './built-images.contract.ts';
import { createSqliteBuiltImages } from './built-images-sqlite.ts';

describeBuiltImages('sqlite', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-built-'));
  const clock = { now: 1 };
  const databases: ReturnType<typeof openDatabase>[] = [];
  const reopen = () => {
    const database = openDatabase(join(dir, 'a.db'), 'NORMAL');
    databases.push(database);
    return createSqliteBuiltImages(database, () => clock.now);
  };
  return {
    clock,
    images: reopen(),
    reopen,
    dispose: () => {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});
