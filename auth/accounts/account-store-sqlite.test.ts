import { openAuthDatabase } from '../auth-database.ts';
import { describeAccountStore } from './account-store.contract.ts';
import { createSqliteAccountStore } from './account-store-sqlite.ts';

describeAccountStore('SQLite', async () => createSqliteAccountStore(openAuthDatabase(':memory:')));
