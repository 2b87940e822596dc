import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkHeights, chunkSize } from './window.ts';

const line = 20;
const chunk = chunkSize * line;

function heights(lines: number): ChunkHeights {
  const made = new ChunkHeights(line);
  made.setLines(lines);
  return made;
}

describe('the window of a log', () => {
  it('covers every pixel once: above + shown + below is the whole log', () => {
    const log = heights(50_003);
    for (const top of [0, 1, chunk - 1, chunk, 400_000, 999_000, 1_000_060]) {
      const window = log.windowAt(top, 700, 200);
      let shown = 0;
      for (let index = window.first; index < window.end; index++) shown += log.heightOf(index);
      assert.equal(window.above + shown + window.below, log.total());
      assert.equal(log.total(), 50_003 * line);
    }
  });

  it('shows what is in view and few rows more, at any size of the log', () => {
    const window = heights(50_000).windowAt(500_000, 700, 200);
    assert.ok(window.above <= 500_000);
    assert.ok((window.end - window.first) * chunkSize <= 100);
  });

  it('shows the end for a position beyond it, and nothing for an empty log', () => {
    const beyond = heights(30).windowAt(90_000, 700, 0);
    assert.deepEqual([beyond.first, beyond.end], [1, 2]);
    assert.deepEqual(heights(0).windowAt(0, 700, 200), { first: 0, end: 0, above: 0, below: 0 });
  });

  it('takes measured heights over estimates and says by how much they differ', () => {
    const log = heights(100);
    assert.equal(log.measure(0, chunk + 60), 60);
    assert.equal(log.measure(0, chunk + 60), 0);
    assert.equal(log.topOf(1), chunk + 60);
    assert.equal(log.total(), 4 * chunk + 60);
  });

  it('forgets the measure of a last chunk that grows, and keeps those of full ones', () => {
    const log = heights(chunkSize + 5);
    log.measure(0, 900);
    log.measure(1, 333);
    log.setLines(chunkSize + 6);
    assert.equal(log.heightOf(0), 900);
    assert.equal(log.heightOf(1), 6 * line);
  });

  it('starts anew when the log became shorter or was laid out again', () => {
    const log = heights(100);
    log.measure(0, 900);
    log.setLines(50);
    assert.equal(log.total(), 50 * line);
    log.measure(0, 900);
    log.reset();
    assert.equal(log.total(), 50 * line);
  });
});
