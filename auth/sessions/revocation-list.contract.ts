import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RevocationList } from './revocation-list.ts';

/** What every revocation list does. `makeSubject` gives two views of the same, empty list. */
export function describeRevocationList(
  name: string,
  makeSubject: () => Promise<{ list: RevocationList; other: RevocationList }>,
): void {
  describe(`${name} as a revocation list`, () => {
    it('remembers what was revoked, for everybody who asks', async () => {
      const { list, other } = await makeSubject();

      list.revoke('one', 100, 0);
      list.revoke('one', 100, 0);

      assert.equal(other.isRevoked('one'), true);
      assert.equal(other.isRevoked('two'), false);
    });

    it('does not grow for ever: sessions that are over anyway are forgotten', async () => {
      const { list } = await makeSubject();
      list.revoke('one', 100, 0);

      list.revoke('two', 300, 200);

      assert.equal(list.isRevoked('one'), false);
      assert.equal(list.isRevoked('two'), true);
    });
  });
}
