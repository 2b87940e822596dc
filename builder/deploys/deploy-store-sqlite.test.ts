import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../deliveries/open-database.ts';
import { describeDeployStore } from './deploy-store.contract.ts';
import { createSqliteDeployStore } from './deploy-store-sqlite.ts';

describeDeployStore('sqlite', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-deploys-'));
  const databases = [openDatabase(join(dir, 'a.db'), 'NORMAL')];
  return {
    store: createSqliteDeployStore(databases[0]!),
    reopen: () => {
      const database = openDatabase(join(dir, 'a.db'), 'NORMAL');
      databases.push(database);
      return createSqliteDeployStore(database);
    },
    dispose: () => {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});
