import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createTextSearch } from './text-search.ts';

/** The slow and plain way: which characters of the text some occurrence covers. */
function covered(patterns: string[], text: string): boolean[] {
  const marks = Array.from({ length: text.length }, () => false);
  for (const pattern of patterns) {
    for (let at = text.indexOf(pattern); at !== -1; at = text.indexOf(pattern, at + 1)) {
      marks.fill(true, at, at + pattern.length);
    }
  }
  return marks;
}

describe('the search for many patterns', () => {
  it('covers exactly what the plain way does', () => {
    const word = (minLength: number, maxLength: number) =>
      fc.array(fc.constantFrom('a', 'b', 'ü'), { minLength, maxLength }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(fc.array(word(1, 5), { maxLength: 6 }), word(0, 40), (patterns, text) => {
        const marks = Array.from({ length: text.length }, () => false);
        const spans = createTextSearch(patterns).spans(text);
        for (const { start, end } of spans) marks.fill(true, start, end);
        assert.deepEqual(marks, covered(patterns, text));
        for (const [index, { start }] of spans.entries()) assert.ok(start > (spans[index - 1]?.end ?? -1));
      }),
      { numRuns: 500 },
    );
  });
});
