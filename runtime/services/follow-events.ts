import type { FeedItem, FeedPosition } from '../../core/calls/event-calls.ts';
import type { EventBus } from '../../core/events.ts';
import type { Logger } from '../logger.ts';
import { type Follower, followForever } from './follow-forever.ts';

/**
 * Publishes another program's events here. When some may have been missed, as before the first connection, `events.missed`
 * is published in their place.
 */
export function followEvents(
  open: (after: FeedPosition | null, signal: AbortSignal) => AsyncIterable<FeedItem>,
  deps: { events: EventBus; logger: Logger; what: string },
): Follower {
  let position: FeedPosition | null = null;

  function take(item: FeedItem): void {
    if (item.type === 'event') {
      if (position) position = { ...position, n: item.n };
      deps.events.publish(item.event);
      return;
    }
    const isFirst = position === null;
    position = { epoch: item.epoch, n: item.n };
    if (isFirst || !item.isComplete) deps.events.publish({ type: 'events.missed' });
  }

  return followForever((signal) => open(position, signal), take, deps);
}
