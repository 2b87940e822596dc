import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { TicketStore } from './ticket-store.ts';

/** What every ticket store does. `makeSubject` gives an empty one. */
export function describeTicketStore(name: string, makeSubject: () => Promise<TicketStore>): void {
  describe(`${name} as a ticket store`, () => {
    it('gives a ticket out once and then says that it was used', async () => {
      const store = await makeSubject();
      const hash = randomBytes(32);
      store.add({ hash, ownerId: '1', expiresAt: 100 }, 0);

      assert.deepEqual(store.take(hash, 99), { type: 'taken', ownerId: '1' });
      assert.deepEqual(store.take(hash, 99), { type: 'used' });
    });

    it('does not give out an expired or an unknown ticket', async () => {
      const store = await makeSubject();
      const hash = randomBytes(32);
      store.add({ hash, ownerId: '1', expiresAt: 100 }, 0);

      assert.deepEqual(store.take(hash, 100), { type: 'expired' });
      assert.deepEqual(store.take(randomBytes(32), 0), { type: 'unknown' });
    });

    it('forgets tickets a day after they expired', async () => {
      const store = await makeSubject();
      const hash = randomBytes(32);
      store.add({ hash, ownerId: '1', expiresAt: 100 }, 0);

      store.add({ hash: randomBytes(32), ownerId: '1', expiresAt: 10 ** 9 }, 24 * 60 * 60_000 + 101);

      assert.deepEqual(store.take(hash, 0), { type: 'unknown' });
    });
  });
}
