/** One event as it was sent, and whose it is. */
export interface RingEvent {
  id: number;
  ownerId: string;
  /** Milliseconds since the epoch. */
  time: number;
  text: string;
}

/** What a client missed, or that it cannot be told any more. */
export type Missed = { type: 'events'; events: RingEvent[] } | { type: 'lost' };

/** The last events, so that a client that was away for a moment misses none. Bounded in number and in size. */
export interface EventRing {
  readonly lastId: number;
  add(ownerId: string, format: (id: number) => string): RingEvent;
  after(id: number): Missed;
  /** Something is missing: whoever heard an event of before is `lost`. */
  breakOff(): void;
  /** Events not older than `ageMs`. */
  recent(ageMs: number): RingEvent[];
}

export function createEventRing(options: {
  maxEvents: number;
  maxCharacters: number;
  clock: () => number;
}): EventRing {
  const { maxEvents, maxCharacters, clock } = options;
  // Grows over restarts too, so that an id of an earlier run is never taken for one of this run.
  const firstId = clock() * 1_000;
  const events: RingEvent[] = [];
  let lastId = firstId;
  let characters = 0;

  return {
    get lastId() {
      return lastId;
    },
    add(ownerId, format) {
      lastId++;
      const event = { id: lastId, ownerId, time: clock(), text: format(lastId) };
      events.push(event);
      characters += event.text.length;
      while (events.length > maxEvents || characters > maxCharacters) {
        characters -= events.shift()?.text.length ?? 0;
      }
      return event;
    },
    after(id) {
      const oldest = lastId - events.length;
      if (id < oldest || id > lastId) return { type: 'lost' };
      return { type: 'events', events: events.slice(id - oldest) };
    },
    breakOff() {
      lastId++;
      events.length = 0;
      characters = 0;
    },
    recent: (ageMs) => events.filter((event) => event.time >= clock() - ageMs),
  };
}
