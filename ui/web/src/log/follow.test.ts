import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Follow, type FollowEvent, follow, initialFollow, isAtEnd, readScroll } from './follow.ts';

function after(...events: FollowEvent[]): Follow {
  return events.reduce(follow, initialFollow);
}

describe('following a log', () => {
  it('is on at first and stays on however many lines arrive', () => {
    assert.deepEqual(after({ type: 'appended', lines: 3500 }, { type: 'appended', lines: 1 }), {
      following: true,
      unseen: 0,
    });
  });

  it('goes off at once when the person moves up, and nothing that arrives turns it on again', () => {
    assert.deepEqual(
      after({ type: 'moved-up' }, { type: 'appended', lines: 40 }, { type: 'appended', lines: 2 }),
      { following: false, unseen: 42 },
    );
  });

  it('comes back when the person reaches the end or jumps there, with nothing left unseen', () => {
    const away = after({ type: 'moved-up' }, { type: 'appended', lines: 7 });
    assert.deepEqual(follow(away, { type: 'reached-end' }), initialFollow);
    assert.deepEqual(follow(away, { type: 'jump' }), initialFollow);
  });

  it('keeps the count of unseen lines while the person goes on moving up', () => {
    assert.equal(after({ type: 'moved-up' }, { type: 'appended', lines: 7 }, { type: 'moved-up' }).unseen, 7);
  });

  it('is off when the page was opened at a line', () => {
    assert.equal(after({ type: 'opened-at-line' }).following, false);
  });
});

describe('reading scroll events', () => {
  const at = (top: number, content = 1000, viewport = 100) => ({ top, content, viewport });

  it('sees a movement up, also a small one', () => {
    assert.deepEqual(readScroll(at(900), at(898)), { type: 'moved-up' });
  });

  it('does not take its own scroll to the end for the person', () => {
    assert.equal(readScroll(at(900), at(900, 1200)), undefined);
  });

  it('does not take the browser clamping a shorter log for a movement', () => {
    assert.equal(readScroll(at(900), at(300, 400)), undefined);
    assert.equal(readScroll(at(900), at(800, 1000, 200)), undefined);
  });

  it('sees the end being reached, with a tolerance for fractions of pixels', () => {
    assert.deepEqual(readScroll(at(500), at(898.5)), { type: 'reached-end' });
    assert.equal(readScroll(at(500), at(700)), undefined);
    assert.equal(isAtEnd(at(0, 50)), true);
  });
});
