import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { livenessAfter } from './liveness.ts';

describe('when a function counts as stuck', () => {
  it('is never before the time for which it may be silent, and at most two looks later', () => {
    for (const silentMs of [1, 5_000, 60_000, 120_000, 120_001, 3_600_000]) {
      const { everyMs, timeoutMs, failures } = livenessAfter(silentMs);
      // From the beginning of the first look that it does not answer to the end of the last.
      const soonestMs = (failures - 1) * (everyMs + timeoutMs) + timeoutMs;
      assert.ok(soonestMs >= silentMs, `${silentMs}: ${soonestMs}`);
      assert.ok(soonestMs - silentMs < 2 * (everyMs + timeoutMs), `${silentMs}: ${soonestMs}`);
    }
  });

  it('is never at all where it may be silent for ever', () => {
    assert.equal(livenessAfter(0).failures, Number.POSITIVE_INFINITY);
  });
});
