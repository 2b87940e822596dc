import { randomUUID } from 'node:crypto';
import type { FeedItem, FeedPosition, SharedEvent, SharedEventType } from '../../core/calls/event-calls.ts';
import type { EventBus, PlatformEvent } from '../../core/events.ts';
import { createChangeSignal } from '../change-signal.ts';

/** The newest events of the given types, numbered, for other processes to follow: types that begin in this process. */
export interface EventFeed extends Disposable {
  /**
   * From a position on, or from now on. A reader that lags behind what is kept is told so by another `begin` and goes on
   * from there. Ends by throwing the signal's reason.
   */
  follow(after: FeedPosition | null, signal: AbortSignal): AsyncGenerator<FeedItem>;
}

interface Kept {
  event: SharedEvent;
  characters: number;
}

const maxEvents = 2_000;
const maxCharacters = 8_000_000;

export function createEventFeed(events: EventBus, types: readonly SharedEventType[]): EventFeed {
  const wanted: ReadonlySet<string> = new Set(types);
  const changes = createChangeSignal();
  // Numbers begin anew with each run, and what happened between two runs is not known.
  const epoch = randomUUID();
  const kept: Kept[] = [];
  let characters = 0;
  let last = 0;

  const isShared = (event: PlatformEvent): event is SharedEvent => wanted.has(event.type);

  function forget(): void {
    characters -= kept.shift()?.characters ?? 0;
  }

  const unsubscribe = events.subscribe((event) => {
    if (!isShared(event)) return;
    const one = { event, characters: JSON.stringify(event).length };
    kept.push(one);
    characters += one.characters;
    last += 1;
    while (kept.length > maxEvents || characters > maxCharacters) forget();
    changes.notify();
  });

  /** `undefined`: events in between are gone. */
  function next(n: number): Kept | undefined {
    return kept[n - (last - kept.length)];
  }

  function isKnown(after: FeedPosition): boolean {
    return after.epoch === epoch && after.n <= last && after.n >= last - kept.length;
  }

  return {
    async *follow(after, signal) {
      let n = after && isKnown(after) ? after.n : last;
      yield { type: 'begin', epoch, n, isComplete: after === null || isKnown(after) };
      for (;;) {
        const seen = n;
        await changes.until(() => (last > seen ? true : undefined), signal);
        const found = next(n);
        if (found) {
          n += 1;
          yield { type: 'event', n, event: found.event };
        } else {
          n = last;
          yield { type: 'begin', epoch, n, isComplete: false };
        }
      }
    },
    [Symbol.dispose]: unsubscribe,
  };
}
