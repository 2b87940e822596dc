import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRemains } from './remains.ts';

describe('remains of instances', () => {
  it('looks once for all that ended during the look before', async () => {
    const looks: string[][] = [];
    const firstLook = Promise.withResolvers<void>();
    const remains = createRemains(async (ids) => {
      looks.push([...ids]);
      if (looks.length === 1) await firstLook.promise;
    });
    const first = remains.end('a');
    await new Promise(setImmediate);
    const others = [remains.end('b'), remains.end('c')];
    firstLook.resolve();
    await Promise.all([first, ...others]);
    assert.deepEqual(looks, [['a'], ['b', 'c']]);
  });

  it('tells whom it concerns of a look that failed, and looks again for the next', async () => {
    let looks = 0;
    const remains = createRemains(async () => {
      if (++looks === 1) throw new Error('no /proc today');
    });
    await assert.rejects(remains.end('a'), /no \/proc today/);
    await remains.end('b');
    assert.equal(looks, 2);
  });
});
