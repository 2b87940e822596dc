import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { ApiToken, Owner } from '../../core/auth.ts';
import type { AccountStore } from './account-store.ts';

const owner = (id: string, slug: string): Owner => ({ id, slug, role: 'member', name: slug, email: '' });
const token = (id: string, ownerId: string, createdAt = 1): ApiToken => ({
  id,
  ownerId,
  name: id,
  createdAt,
  expiresAt: null,
});

/** What every account store does. `makeSubject` gives an empty one. */
export function describeAccountStore(name: string, makeSubject: () => Promise<AccountStore>): void {
  describe(`${name} as an account store`, () => {
    it('finds an owner by its exact id and its exact slug only', async () => {
      const store = await makeSubject();
      store.addOwner(owner('1', 'alex'));

      assert.deepEqual(store.ownerById('1'), owner('1', 'alex'));
      assert.deepEqual(store.ownerBySlug('alex'), owner('1', 'alex'));
      for (const other of ['al', 'ALEX', 'alex%', 'alex-', '', "alex' OR '1'='1"]) {
        assert.equal(store.ownerBySlug(other), undefined, other);
      }
    });

    it('takes a slug once and an id once', async () => {
      const store = await makeSubject();

      assert.equal(store.addOwner(owner('1', 'alex')), true);
      assert.equal(store.addOwner(owner('2', 'alex')), false);
      assert.equal(store.addOwner(owner('1', 'sam')), false);
      assert.deepEqual(store.owners(), [owner('1', 'alex')]);
    });

    it('finds a token by its hash, with the hash to compare', async () => {
      const store = await makeSubject();
      const hash = randomBytes(32);
      store.addOwner(owner('1', 'alex'));
      store.addToken(token('t1', '1'), hash);

      assert.deepEqual(store.tokenByHash(hash), { token: token('t1', '1'), hash });
      assert.equal(store.tokenByHash(randomBytes(32)), undefined);
    });

    it('lists the tokens of one owner, oldest first, and removes only that owner’s', async () => {
      const store = await makeSubject();
      store.addOwner(owner('1', 'alex'));
      store.addOwner(owner('2', 'al'));
      store.addToken(token('t2', '1', 20), randomBytes(32));
      store.addToken(token('t1', '1', 10), randomBytes(32));

      assert.deepEqual(
        store.tokens('1').map((each) => each.id),
        ['t1', 't2'],
      );
      assert.equal(store.removeToken('2', 't1'), false);
      assert.equal(store.removeToken('1', 't1'), true);
      assert.equal(store.removeToken('1', 't1'), false);
      assert.deepEqual(store.tokens('2'), []);
    });

    it('forgets the tokens of an owner that is removed', async () => {
      const store = await makeSubject();
      const hash = randomBytes(32);
      store.addOwner(owner('1', 'alex'));
      store.addToken(token('t1', '1'), hash);

      store.removeOwner('1');

      assert.equal(store.tokenByHash(hash), undefined);
      assert.equal(store.ownerById('1'), undefined);
    });
  });
}
