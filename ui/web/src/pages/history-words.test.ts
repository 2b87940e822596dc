import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { history, imageOf } from '../../testing/records.ts';
import { chipsOf, revertStage, titleOf, whyNotRevert } from './history-words.ts';

const texts = (over: Parameters<typeof history>[0]) => chipsOf(history(over)).map((chip) => chip.text);

describe('the chips of a history row', () => {
  it('tell what is current and what undid a deploy', () => {
    assert.deepEqual(texts({ current: true }), ['Current']);
    assert.deepEqual(texts({ revertedBy: 4 }), ['Rolled back by #4']);
  });

  it('tell what was made in git by a person, and what is gone', () => {
    assert.deepEqual(texts({ kind: 'revert', restores: null, direct: true }), ['directly in git']);
    assert.deepEqual(texts({ kind: 'remove', present: false }), ['Removed']);
  });
});

describe('the title of a history row', () => {
  it('says where a rollback went, and is the subject without what the row says already', () => {
    assert.equal(titleOf(history({ kind: 'revert', restores: 2, subject: 'x' })), 'Rollback to #2');
    assert.equal(
      titleOf(history({ kind: 'edit', direct: true, subject: 'Revert "deploy(demo/hello)"' })),
      'Revert "deploy(demo/hello)"',
    );
    assert.equal(
      titleOf(history({ subject: 'deploy(demo/hello): #42 1a2b3c4 Fix greeting' })),
      'Fix greeting',
    );
    assert.equal(titleOf(history({ subject: '' })), 'Deploy');
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
