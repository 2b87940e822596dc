import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';

const sliceMs = 4;

export interface DeliveryFeedDeps {
  /** What is to be done and was not given before, in order. */
  take: () => Promise<Delivery[]>;
  add: (delivery: Delivery) => void;
  retry: { firstMs: number; maxMs: number };
  /** How often to look for what others have accepted, or left behind; without it only `wake` looks. */
  pollMs?: number | undefined;
  onFault: (error: unknown) => void;
  stopped: AbortSignal;
}

/** Brings deliveries from the log to the queue, one look at a time, so that they come in the log's order. */
export interface DeliveryFeed {
  /** Looks at once, or once more if it is looking. Resolves when a look that began after the call has ended. */
  wake(): Promise<void>;
  /** Looks again and again from now on. */
  start(): void;
  /** Resolves when nobody is looking. */
  idle(): Promise<void>;
}

export function createDeliveryFeed(deps: DeliveryFeedDeps): DeliveryFeed {
  const { stopped, pollMs } = deps;
  let looking: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  /** Webhooks are answered between the slices, however many deliveries a former run left. */
  async function addInSlices(taken: readonly Delivery[]): Promise<void> {
    let since = performance.now();
    for (const delivery of taken) {
      deps.add(delivery);
      if (performance.now() - since < sliceMs) continue;
      await setImmediate();
      since = performance.now();
    }
  }

  async function addAll(): Promise<void> {
    for (let taken = await deps.take(); taken.length > 0; taken = await deps.take()) {
      await addInSlices(taken);
    }
  }

  async function look(): Promise<void> {
    for (let tries = 1; !stopped.aborted; tries += 1) {
      try {
        return await addAll();
      } catch (error) {
        if (stopped.aborted) return;
        deps.onFault(error);
        await delay(backoffMs(tries, deps.retry), stopped).catch(() => {});
      }
    }
  }

  function begin(): Promise<void> {
    const round = look().finally(() => {
      if (looking === round) looking = undefined;
    });
    looking = round;
    return round;
  }

  function wake(): Promise<void> {
    if (!looking) return begin();
    // However many wait, one more look is enough for all of them.
    next ??= looking.then(() => {
      next = undefined;
      return begin();
    });
    return next;
  }

  async function poll(intervalMs: number): Promise<void> {
    while (!stopped.aborted) {
      await sleep(intervalMs, undefined, { signal: stopped, ref: false }).catch(() => {});
      if (!stopped.aborted) await wake();
    }
  }

  return {
    wake,
    start() {
      if (pollMs !== undefined) void poll(pollMs);
    },
    async idle() {
      while (looking ?? next) await Promise.all([looking, next]);
    },
  };
}
