import { openAuthDatabase } from '../auth-database.ts';
import { describeTicketStore } from './ticket-store.contract.ts';
import { createSqliteTicketStore } from './ticket-store-sqlite.ts';

describeTicketStore('SQLite', async () => createSqliteTicketStore(openAuthDatabase(':memory:')));
