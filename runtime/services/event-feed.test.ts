import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FeedItem } from '../../core/calls/event-calls.ts';
import type { PlatformEvent } from '../../core/events.ts';
import { createEventBus } from '../event-bus.ts';
import { createEventFeed } from './event-feed.ts';

const changed = (functionName: string): PlatformEvent => ({
  ...{ type: 'history.changed', ownerId: 'o1', owner: 'alice', commit: '1'.repeat(40) },
  functionName,
});
const nameIn = (item: FeedItem | undefined) =>
  item?.type === 'event' && item.event.type === 'history.changed' ? item.event.functionName : item?.type;

function setUp() {
  const events = createEventBus();
  const feed = createEventFeed(events, ['history.changed']);
  const stop = new AbortController();
  return {
    events,
    follow: (after: Parameters<typeof feed.follow>[0]) => feed.follow(after, stop.signal),
    stop: () => stop.abort(new Error('enough')),
  };
}

async function next(items: AsyncGenerator<FeedItem>): Promise<FeedItem> {
  const { value } = await items.next();
  return value;
}

describe('the feed of events', () => {
  it('tells what happens from now on, of its own kinds', async () => {
    const { events, follow, stop } = setUp();
    events.publish(changed('before'));
    const items = follow(null);
    const begin = await next(items);
    assert.equal(begin.type === 'begin' && begin.isComplete, true);

    events.publish({ type: 'removals.changed', ownerId: 'o1', owner: 'alice' });
    events.publish(changed('one'));
    events.publish(changed('two'));
    assert.deepEqual([nameIn(await next(items)), nameIn(await next(items))], ['one', 'two']);
    const waiting = items.next();
    stop();
    await assert.rejects(waiting, { message: 'enough' });
  });

  it('goes on after a position of this run, and of no other', async () => {
    const { events, follow } = setUp();
    const first = follow(null);
    const begin = await next(first);
    assert.ok(begin.type === 'begin');
    events.publish(changed('one'));
    events.publish(changed('two'));

    const again = follow({ epoch: begin.epoch, n: begin.n + 1 });
    assert.deepEqual([nameIn(await next(again)), nameIn(await next(again))], ['begin', 'two']);
    for (const position of [
      { epoch: 'another', n: begin.n },
      { epoch: begin.epoch, n: begin.n + 3 },
      { epoch: begin.epoch, n: -1 },
    ]) {
      const lost = await next(follow(position));
      assert.equal(lost.type === 'begin' && lost.isComplete, false, JSON.stringify(position));
    }
  });

  it('keeps a bounded number, and says so to a reader that is too slow', async () => {
    const { events, follow } = setUp();
    const slow = follow(null);
    await next(slow);
    for (let count = 0; count < 2_500; count += 1) events.publish(changed(`f-${count}`));

    const item = await next(slow);
    assert.equal(item.type === 'begin' && item.isComplete, false);
    events.publish(changed('after'));
    assert.equal(nameIn(await next(slow)), 'after');
  });
});
