import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { createPortPool } from './port-pool.ts';

describe('port pool', () => {
  it('lends each port once, skips one that another program holds, and says when none is left', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const taken = address.port;
    try {
      const pool = createPortPool({ from: taken - 2, to: taken + 2 }, () => 0.5);
      const lent: number[] = [];
      await assert.rejects(
        async () => {
          for (;;) lent.push(await pool.lease());
        },
        { code: 'unavailable' },
      );
      assert.ok(lent.length > 0 && !lent.includes(taken), lent.join());
      assert.equal(new Set(lent).size, lent.length);
      const [first] = lent;
      assert.ok(first);
      pool.release(first);
      assert.equal(await pool.lease(), first);
    } finally {
      other.close();
    }
  });
});
