import { createSqliteAccountStore } from '../accounts/account-store-sqlite.ts';
import { openAuthDatabase } from '../auth-database.ts';
import { describeBindingStore } from './binding-store.contract.ts';
import { createSqliteBindingStore } from './binding-store-sqlite.ts';

describeBindingStore('sqlite', async () => {
  const database = openAuthDatabase(':memory:');
  const accounts = createSqliteAccountStore(database);
  return {
    store: createSqliteBindingStore(database),
    addOwner: (id) => void accounts.addOwner({ id, slug: id, role: 'member', name: id, email: '' }),
    removeOwner: (id) => accounts.removeOwner(id),
    async [Symbol.asyncDispose]() {
      database.close();
    },
  };
});
