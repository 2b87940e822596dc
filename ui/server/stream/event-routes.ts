import Router from '@koa/router';
import type { Context } from 'koa';
import { type Identity, mayRead } from '../../../core/access.ts';
import { streamEventNames } from '../../../core/api.ts';
import type { EventBus, PlatformEvent } from '../../../core/events.ts';
import type { Requester } from '../request/requester.ts';
import { createEventRing, type Missed, type RingEvent } from './event-ring.ts';
import { formatEvent, type OpenStream, type SseStream } from './sse-response.ts';

export interface EventRoutesDeps {
  requester: Requester;
  events: EventBus;
  openStream: OpenStream;
}

/**
 * A page's first connection also gets the events of the last moments: its embedded data may be that much older.
 * Every event carries a whole state, so getting one twice does no harm.
 */
const firstConnectionMs = 15_000;
/** In characters: written at once, more than this would count as not being read. Loading again is cheaper anyway. */
const maxCatchUp = 250_000;
type Streamed = Extract<PlatformEvent, { type: (typeof streamEventNames)[number] }>;
const streamed: ReadonlySet<string> = new Set(streamEventNames);

/** The one stream of a dashboard tab: what happens to the owners that the requester may see. */
export function eventRoutes(deps: EventRoutesDeps): { router: Router } & Disposable {
  const ring = createEventRing({ maxEvents: 1_000, maxCharacters: 8_000_000, clock: Date.now });
  const listeners = new Set<(event: RingEvent) => void>();
  const streams = new Set<SseStream>();

  function isStreamed(event: PlatformEvent): event is Streamed {
    return streamed.has(event.type);
  }

  function reset(stream: SseStream): void {
    stream.send({ name: 'reset', data: {} });
    // An id without data is remembered by the browser and shown to nobody: a break before the next event loses none.
    stream.write(`id: ${ring.lastId}\n\n`);
  }

  const unsubscribe = deps.events.subscribe((event) => {
    if (event.type === 'events.missed') {
      ring.breakOff();
      for (const stream of streams) reset(stream);
      return;
    }
    if (!isStreamed(event)) return;
    const added = ring.add(event.ownerId, (id) =>
      formatEvent({ id: String(id), name: event.type, data: event }),
    );
    for (const listener of listeners) listener(added);
  });

  /** Events to catch up with, or `lost` if not all of them are here any more. */
  function missedSince(lastEventId: string): Missed {
    if (lastEventId === '') return { type: 'events', events: ring.recent(firstConnectionMs) };
    return ring.after(/^\d{1,16}$/.test(lastEventId) ? Number(lastEventId) : -1);
  }

  function resume(stream: SseStream, identity: Identity, missed: Missed): void {
    const send = (event: RingEvent) => {
      if (mayRead(identity, event.ownerId)) stream.write(event.text);
    };
    const events =
      missed.type === 'lost' ? [] : missed.events.filter((each) => mayRead(identity, each.ownerId));
    const size = events.reduce((sum, { text }) => sum + text.length, 0);
    if (missed.type === 'lost' || size > maxCatchUp) reset(stream);
    else {
      for (const event of events) send(event);
      stream.write(`id: ${ring.lastId}\n\n`);
    }
    listeners.add(send);
    streams.add(stream);
    const end = () => {
      listeners.delete(send);
      streams.delete(stream);
    };
    stream.signal.addEventListener('abort', end, { once: true });
  }

  const router = new Router();
  router.get('/api/v1/events', async (ctx: Context) => {
    const identity = await deps.requester.identify(ctx);
    const missed = missedSince(ctx.get('Last-Event-ID'));
    resume(deps.openStream(ctx, identity), identity, missed);
  });
  return {
    router,
    [Symbol.dispose]() {
      unsubscribe();
      listeners.clear();
      streams.clear();
    },
  };
}
