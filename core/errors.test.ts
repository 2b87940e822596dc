import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError, formatPlace, TowlineError } from './errors.ts';

describe('errors', () => {
  it('say where, what and what to do, in one line', () => {
    const place = { file: 'stack.yml', line: 3, column: 5 };
    const error = new TowlineError('stack_invalid', 'a list where a map belongs', {
      place,
      hint: 'remove the dash',
    });

    assert.equal(describeError(error), 'stack.yml:3:5: a list where a map belongs (remove the dash)');
    assert.equal(formatPlace({ file: 'a', line: 2 }), 'a:2');
    assert.equal(formatPlace({ file: 'a' }), 'a');
  });

  it('do not show what an unknown error says', () => {
    assert.ok(!describeError(new Error('password=hunter2')).includes('hunter2'));
  });
});
