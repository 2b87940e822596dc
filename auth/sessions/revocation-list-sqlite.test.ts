import { openAuthDatabase } from '../auth-database.ts';
import { describeRevocationList } from './revocation-list.contract.ts';
import { createSqliteRevocationList } from './revocation-list-sqlite.ts';

describeRevocationList('SQLite', async () => {
  const database = openAuthDatabase(':memory:');
  return { list: createSqliteRevocationList(database), other: createSqliteRevocationList(database) };
});
