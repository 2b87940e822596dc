import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPrivateDatabase } from '../private-database.ts';
import { describeOutbox } from './outbox.contract.ts';
import { createSqliteOutbox } from './outbox-sqlite.ts';

describeOutbox('sqlite', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-outbox-'));
  const databases = [openPrivateDatabase(join(dir, 'a.db'))];
  return {
    outbox: createSqliteOutbox(databases[0]!),
    reopen() {
      const database = openPrivateDatabase(join(dir, 'a.db'));
      databases.push(database);
      return createSqliteOutbox(database);
    },
    dispose() {
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
});
