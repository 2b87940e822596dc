import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';

describe('backoff', () => {
  it('doubles up to its cap, and lies in the upper half of each step', () => {
    const least = (attempt: number) => backoffMs(attempt, { firstMs: 100, maxMs: 1_000, random: () => 0 });

    assert.deepEqual([1, 2, 3, 4, 5, 60].map(least), [50, 100, 200, 400, 500, 500]);
  });

  it('never exceeds the cap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, value) => {
          const wait = backoffMs(attempt, { firstMs: 10, maxMs: 30_000, random: () => value });
          assert.ok(wait >= 5 && wait <= 30_000);
        },
      ),
    );
  });
});
