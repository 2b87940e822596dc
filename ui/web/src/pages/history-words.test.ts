import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { history, imageOf } from '../../testing/records.ts';
import { chipsOf, revertStage, whyNotRevert } from './history-words.ts';

const texts = (over: Parameters<typeof history>[0]) => chipsOf(history(over)).map((chip) => chip.text);

describe('the chips of a history row', () => {
  it('tell what is current and what undid a deploy', () => {
    assert.deepEqual(texts({ current: true }), ['Current']);
    assert.deepEqual(texts({ revertedBy: 4 }), ['Rolled back by #4']);
  });

  it('give the reason of a rollback and that it was made in git', () => {
    assert.deepEqual(texts({ kind: 'revert', restores: 2, reason: '500s on /pay' }), [
      'Rollback to #2: 500s on /pay',
    ]);
    assert.deepEqual(texts({ kind: 'revert', restores: null, direct: true }), [
      'Rollback',
      'directly in git',
    ]);
  });
});

describe('rolling back to a row', () => {
  it('is refused with the reason for the current row and for a removal', () => {
    const head = history({ number: 3, current: true, image: imageOf('hello', 'cd') });
    assert.match(whyNotRevert(head, head) ?? '', /live now/);
    assert.match(whyNotRevert(history({ present: false }), head) ?? '', /removed/);
    assert.equal(whyNotRevert(history(), head), undefined);
  });

  it('is refused for the row that the current one already restored', () => {
    const head = history({ number: 4, kind: 'revert', restores: 2, current: true });
    assert.match(whyNotRevert(history({ number: 2 }), head) ?? '', /live now/);
    assert.equal(whyNotRevert(history({ number: 1 }), head), undefined);
  });
});

describe('how far a rollback has come', () => {
  const wanted = { number: 4, image: 'old' };
  it('is live only when the wanted image is served and the function is ready', () => {
    const now = { status: 'Ready', number: 4, image: 'old', desiredImage: 'old' };
    assert.equal(revertStage(wanted, now), 'live');
    assert.equal(revertStage(wanted, { ...now, status: 'Deploying' }), 'applied');
    assert.equal(revertStage(wanted, { ...now, image: 'new' }), 'applied');
    assert.equal(revertStage(wanted, { ...now, image: 'new', desiredImage: 'new' }), 'committed');
  });

  it('is not live by the number before it: rolling back configuration keeps the image', () => {
    const now = { status: 'Ready', number: 3, image: 'old', desiredImage: 'old' };
    assert.equal(revertStage(wanted, now), 'committed');
  });
});
