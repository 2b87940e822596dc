import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { absoluteTime, duration, relativeTime } from './relative-time.ts';

const now = Date.UTC(2026, 10, 22, 12, 0, 0);
const ago = (ms: number) => relativeTime(now - ms, now);

describe('relative time', () => {
  it('says "just now" for the first seconds and for clocks that run ahead', () => {
    assert.equal(ago(0), 'just now');
    assert.equal(ago(44_000), 'just now');
    assert.equal(ago(-90_000), 'just now');
  });

  it('never says "0 minutes ago"', () => {
    assert.match(ago(46_000), /^1\s?min/);
  });

  it('uses the largest unit that is at least one', () => {
    assert.match(ago(59 * 60_000), /^59\s?min/);
    assert.match(ago(60 * 60_000), /^1\s?h/);
    assert.match(ago(24 * 3_600_000), /^1\s?d/);
    assert.match(ago(21 * 86_400_000), /^3\s?w/);
    assert.match(ago(90 * 86_400_000), /^3\s?mo/);
    assert.match(ago(800 * 86_400_000), /^2\s?y/);
  });

  it('keeps the full date and time for the tooltip', () => {
    assert.match(absoluteTime(now), /2026/);
  });
});

describe('duration', () => {
  it('is as exact as its size deserves', () => {
    assert.equal(duration(12.4), '12 ms');
    assert.equal(duration(412), '0.4 s');
    assert.equal(duration(12_345), '12.3 s');
    assert.equal(duration(59_990), '1 min 00 s');
    assert.equal(duration(125_000), '2 min 05 s');
  });

  it('is never negative', () => {
    assert.equal(duration(-5), '0 ms');
  });
});
