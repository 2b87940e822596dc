import type { Context } from 'koa';
import type { Identity } from '../../../core/access.ts';
import { TowlineError } from '../../../core/errors.ts';

export interface StreamEvent {
  id?: string;
  name: string;
  data: unknown;
}

/** One open stream of server-sent events. Disposing it ends the response. */
export interface SseStream extends Disposable {
  /** Aborted when the client is gone, was too slow, or may not read any more. */
  signal: AbortSignal;
  send(event: StreamEvent): void;
  /** Text in the format of server-sent events, ready to go. */
  write(text: string): void;
  /** Resolves when the client has taken what was sent; a client that doesn't within 30 s is dropped. */
  drained(): Promise<void>;
}

export type OpenStream = (ctx: Context, identity: Identity) => SseStream;

export interface StreamOptions {
  heartbeatMs: number;
  /** Milliseconds between two checks that the credentials still hold. */
  recheckMs: number;
  /** Bytes that wait for a slow client before it is dropped; it comes back and resumes. */
  maxQueuedBytes: number;
  maxStreams: number;
  maxStreamsPerOwner: number;
}

export interface SseStreams extends Disposable {
  open: OpenStream;
}

/** The browser waits this long before it connects again (milliseconds). */
const retryMs = 2_000;
const drainTimeoutMs = 30_000;

/** Opens streams within limits, and ends them all when disposed. */
export function createSseStreams(
  options: StreamOptions,
  stillHolds: (ctx: Context, identity: Identity) => Promise<boolean>,
): SseStreams {
  const streams = new Map<SseStream, string>();

  function requirePlace(ownerId: string): void {
    const own = [...streams.values()].filter((each) => each === ownerId).length;
    if (streams.size < options.maxStreams && own < options.maxStreamsPerOwner) return;
    throw new TowlineError('unavailable', 'too many streams are open', { hint: 'close other tabs' });
  }

  function open(ctx: Context, identity: Identity): SseStream {
    requirePlace(identity.ownerId);
    const stream = startStream(ctx, options, () => stillHolds(ctx, identity));
    streams.set(stream, identity.ownerId);
    ctx.res.once('close', () => streams.delete(stream));
    return stream;
  }

  return {
    open,
    [Symbol.dispose]() {
      for (const stream of streams.keys()) stream[Symbol.dispose]();
      streams.clear();
    },
  };
}

function startStream(ctx: Context, options: StreamOptions, holds: () => Promise<boolean>): SseStream {
  const { res } = ctx;
  const gone = new AbortController();
  ctx.respond = false;
  res.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  });

  const write = (text: string) => {
    if (res.writableEnded || res.destroyed) return;
    res.write(text);
    if (res.writableLength > options.maxQueuedBytes) res.destroy();
  };
  const end = () => {
    if (!res.writableEnded) res.end();
  };
  const heartbeat = setInterval(() => write(': still here\n\n'), options.heartbeatMs);
  const recheck = setInterval(() => void holds().then((still) => still || end(), end), options.recheckMs);
  res.once('close', () => {
    clearInterval(heartbeat);
    clearInterval(recheck);
    gone.abort();
  });
  res.on('error', () => res.destroy());
  write(`retry: ${retryMs}\n\n`);
  if (ctx.method === 'HEAD') end();
  return {
    signal: gone.signal,
    write,
    send: (event) => write(formatEvent(event)),
    drained: () => drained(ctx, gone.signal),
    [Symbol.dispose]: end,
  };
}

/** JSON has no raw line breaks, so the data is always one line; names and ids are ours. */
export function formatEvent(event: StreamEvent): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  return `${id}event: ${event.name}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

function drained(ctx: Context, gone: AbortSignal): Promise<void> {
  const { res } = ctx;
  if (!res.writableNeedDrain || gone.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => res.destroy(), drainTimeoutMs);
    const done = () => {
      clearTimeout(timer);
      res.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    res.once('drain', done);
    gone.addEventListener('abort', done);
  });
}
