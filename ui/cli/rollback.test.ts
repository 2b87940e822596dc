import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { CliError, exitCodes } from './client.ts';
import { earlierVersions, withChoice } from './rollback.ts';

const commitOf = (number: number) => String(number).padStart(40, '0');

function entry(number: number, over: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    commit: commitOf(number),
    owner: 'demo',
    functionName: 'hello',
    number,
    kind: 'deploy',
    subject: '',
    author: { name: 'Ada', email: 'ada@example.org' },
    committedAt: number,
    sourceCommit: null,
    source: null,
    image: null,
    buildId: null,
    actor: null,
    reason: null,
    reverts: null,
    restores: null,
    revertedBy: null,
    direct: false,
    current: false,
    present: true,
    ...over,
  };
}

/** The numbers, for a history given oldest first. */
function earlier(oldestFirst: HistoryEntry[], failed: number[] = []): number[] {
  const newestFirst = oldestFirst.toReversed();
  return earlierVersions(newestFirst, new Set(failed.map(commitOf))).map(({ number }) => number);
}

describe('a rollback without a number', () => {
  it('goes to the versions before the one that runs, newest first', () => {
    assert.deepEqual(earlier([entry(1), entry(2), entry(3)]), [2, 1]);
    assert.deepEqual(earlier([entry(1)]), []);
    assert.deepEqual(earlier([]), []);
  });

  it('goes further back the second time, and ends at the first version', () => {
    const once = [entry(1), entry(2), entry(3, { revertedBy: 4 }), entry(4, { kind: 'revert', restores: 2 })];
    assert.deepEqual(earlier(once), [1]);
    const twice = [...once, entry(5, { kind: 'revert', restores: 1 })];
    twice[1] = entry(2, { revertedBy: 5 });
    assert.deepEqual(earlier(twice), []);
    assert.deepEqual(earlier([...twice, entry(6)]), [1]);
  });

  it('leaves out what failed, what was undone, removals and marks', () => {
    const history = [
      entry(1),
      entry(2, { kind: 'edit' }),
      entry(3),
      entry(4, { revertedBy: 5 }),
      entry(5, { kind: 'revert', restores: 3 }),
      entry(6, { kind: 'remove', present: false }),
      entry(7),
      entry(8),
      entry(9, { kind: 'hold' }),
    ];
    assert.deepEqual(earlier(history, [7, 3]), [2, 1]);
  });

  it('says which version to choose when the manifest of one is refused', () => {
    const refusal = new CliError(exitCodes.failed, 'manifest_refused', 'the manifest is not valid');
    const told = withChoice(refusal, 'hello', [entry(2), entry(1)]) as CliError;
    assert.equal(told.message, refusal.message);
    assert.match(told.hint ?? '', /"towline rollback hello 2"/);
    assert.match((withChoice(refusal, 'hello', []) as CliError).hint ?? '', /no other/);
    const other = new CliError(exitCodes.failed, 'conflict', 'changed meanwhile');
    assert.equal(withChoice(other, 'hello', [entry(2)]), other);
  });
});
