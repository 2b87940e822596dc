import { backoffMs } from '../backoff.ts';
import { delay } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

/** Something that another program tells without end. */
export interface Follower extends AsyncDisposable {
  isConnected(): boolean;
}

export interface FollowDeps {
  logger: Logger;
  /** As `the events of the build-service`. */
  what: string;
  /** The connection broke; it is made again. */
  onBreak?: (() => void) | undefined;
}

const reconnect = { firstMs: 100, maxMs: 10_000 };
const stopped = new Error('stopped');

/** Connects again, with growing pauses, whenever the connection breaks. */
export function followForever<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  take: (item: T) => void,
  { logger, what, onBreak }: FollowDeps,
): Follower {
  const stop = new AbortController();
  let isConnected = false;
  let failures = 0;

  async function once(): Promise<void> {
    for await (const item of open(stop.signal)) {
      if (!isConnected && failures > 0) logger.info({ failures }, `${what}: connected again`);
      isConnected = true;
      failures = 0;
      take(item);
    }
    throw new Error('the other side ended it');
  }

  function broke(err: unknown): void {
    failures += 1;
    // The first break and then ever fewer: an hour of absence is a handful of lines.
    if (Number.isInteger(Math.log2(failures))) logger.warn({ err, failures }, `${what}: not connected`);
    if (isConnected) onBreak?.();
    isConnected = false;
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      await once().catch((err: unknown) => stop.signal.aborted || broke(err));
      await delay(backoffMs(failures, reconnect), stop.signal).catch(() => undefined);
    }
  }

  const running = run();
  return {
    isConnected: () => isConnected,
    async [Symbol.asyncDispose]() {
      stop.abort(stopped);
      await running;
    },
  };
}
