import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeDeliveryLog } from './delivery-log.contract.ts';
import { createSqliteDeliveryLog } from './delivery-log-sqlite.ts';
import { openDatabase } from './open-database.ts';

describeDeliveryLog('sqlite', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-deliveries-'));
  const databases = [openDatabase(join(dir, 'a.db'), 'FULL')];
  return {
    log: createSqliteDeliveryLog(databases[0]!),
    reopen: () => {
      const database = openDatabase(join(dir, 'a.db'), 'FULL');
      databases.push(database);
      return createSqliteDeliveryLog(database);
    },
    dispose: () => {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});
