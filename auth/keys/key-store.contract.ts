import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeyStore } from './key-store.ts';

/** What every key store does. `makeSubject` gives two views of the same, empty store. */
export function describeKeyStore(
  name: string,
  makeSubject: () => Promise<{ store: KeyStore; other: KeyStore }>,
): void {
  describe(`${name} as a key store`, () => {
    it('makes the first key by itself and keeps it', async () => {
      const { store, other } = await makeSubject();

      const [first] = await store.keys();

      assert.deepEqual(
        (await other.keys()).map((key) => key.kid),
        [first!.kid],
      );
    });

    it('signs with the newest key after a rotation and goes on verifying with the older ones', async () => {
      const { store, other } = await makeSubject();
      const [first] = await store.keys();

      const second = await store.rotate();
      const third = await store.rotate();

      assert.deepEqual(
        (await other.keys()).map((key) => key.kid),
        [third.kid, second.kid, first!.kid],
      );
    });

    it('shows no private part in the public key', async () => {
      const { store } = await makeSubject();

      const [key] = await store.keys();

      assert.deepEqual(Object.keys(key!.publicJwk).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    });

    it('drops a retired key, and does not mind an unknown one', async () => {
      const { store } = await makeSubject();
      const [first] = await store.keys();
      const second = await store.rotate();

      await store.retire(first!.kid);
      await store.retire('unknown');

      assert.deepEqual(
        (await store.keys()).map((key) => key.kid),
        [second.kid],
      );
    });
  });
}
