import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chainEnd, laterMove, type Move } from './chain.ts';

const move = (before: string, after: string): Move => ({ before, after });

describe('the chain of a ref', () => {
  it('tells which of two pushes is the later one, also through others', () => {
    const [one, two, three] = [move('0', 'a'), move('a', 'b'), move('b', 'c')];
    assert.equal(laterMove(one, two, []), 'second');
    assert.equal(laterMove(two, one, []), 'first');
    assert.equal(laterMove(three, one, [two]), 'first');
    assert.equal(laterMove(one, three, []), 'unknown');
  });

  it('does not tell where a branch was forced back', () => {
    const [out, back] = [move('a', 'b'), move('b', 'a')];
    assert.equal(laterMove(out, back, []), 'unknown');
    assert.equal(laterMove(out, move('a', 'b'), [back]), 'unknown');
  });

  it('ends with the branch head, whatever order its pushes arrived in', () => {
    const chains = fc.uniqueArray(fc.nat({ max: 1000 }), { minLength: 2, maxLength: 12 }).chain((commits) => {
      const moves = commits.slice(1).map((commit, index) => move(String(commits[index]), String(commit)));
      return fc.shuffledSubarray(moves, { minLength: moves.length }).map((arrived) => ({ moves, arrived }));
    });
    fc.assert(
      fc.property(chains, ({ moves, arrived }) => {
        assert.equal(chainEnd(arrived), moves.at(-1));
        for (const [index, first] of moves.entries()) {
          for (const second of moves.slice(index + 1)) {
            assert.equal(laterMove(first, second, arrived), 'second');
            assert.equal(laterMove(second, first, arrived), 'first');
          }
        }
      }),
    );
  });

  it('ends with what arrived last if it is a ring', () => {
    const arrived = [move('b', 'a'), move('a', 'b'), move('0', 'a')];
    assert.equal(chainEnd(arrived), arrived[0]);
    assert.equal(chainEnd([]), undefined);
  });
});
