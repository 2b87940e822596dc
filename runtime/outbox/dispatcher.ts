import { type BackoffOptions, backoffMs } from '../backoff.ts';
import type { Logger } from '../logger.ts';
import type { Outbox, ReportOutcome, WaitingEntry } from './outbox.ts';

export interface DispatcherDeps {
  outbox: Outbox;
  /** Throws only if the signal aborts, or by a defect. */
  send(entry: WaitingEntry, signal: AbortSignal): Promise<ReportOutcome>;
  logger: Logger;
  now: () => number;
  /** Milliseconds between tries. Default: 1 s, up to a minute. */
  retry?: BackoffOptions | undefined;
  /** Requests under way at once. Default: 4; one per owner in any case. */
  concurrency?: number | undefined;
  /** Per destination: bounded, so that a receiver that is away for good fills nothing. Default: 50,000. */
  maxWaiting?: number | undefined;
  /** What could not be told for as long is given up. Default: 7 days. */
  patienceMs?: number | undefined;
}

/** Carries what waits in the outbox to whom it is for, in the order of each key, without ever holding up who put it there. */
export interface Dispatcher extends AsyncDisposable {
  /** Something was put into the outbox. */
  wake(): void;
  /** Resolves when nothing is under way or due now; what is put off does not count. */
  settled(): Promise<void>;
}

const defaultRetry = { firstMs: 1000, maxMs: 60_000 };
const defaultPatienceMs = 7 * 24 * 60 * 60_000;
const defaultMaxWaiting = 50_000;
/** What was told is kept as long, so that a rebuilt record is known to be no news. */
const keepToldMs = 14 * 24 * 60 * 60_000;
const pruneEveryMs = 60_000;
/** The longest that a timer sleeps, so that a clock that was set back does no harm. */
const maxSleepMs = 60_000;

export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { outbox, logger, now, retry = defaultRetry, concurrency = 4 } = deps;
  const patienceMs = deps.patienceMs ?? defaultPatienceMs;
  const stop = new AbortController();
  const underWay = new Set<Promise<void>>();
  /** Owners at a destination with a request under way. */
  const busy = new Set<string>();
  /** Until when nothing goes to a destination, or to an owner at it. */
  const heldUntil = new Map<string, number>();
  /** Of each destination, one after the other. */
  const failures = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let prunedAt = 0;

  const lane = ({ destination, owner }: WaitingEntry) => `${destination} ${owner}`;

  function holdOf(entry: WaitingEntry): number {
    return Math.max(heldUntil.get(entry.destination) ?? 0, heldUntil.get(lane(entry)) ?? 0);
  }

  function postpone(entry: WaitingEntry, outcome: Extract<ReportOutcome, { type: 'later' }>): void {
    const { reason, holds, retryAt } = outcome;
    if (holds === 'forge') {
      const count = (failures.get(entry.destination) ?? 0) + 1;
      failures.set(entry.destination, count);
      heldUntil.set(entry.destination, retryAt ?? now() + backoffMs(count, retry));
    }
    if (holds === 'owner')
      heldUntil.set(lane(entry), retryAt ?? now() + backoffMs(entry.attempts + 1, retry));
    // What waits with its whole forge or owner is due as soon as they go on; one that keeps failing lets others go first.
    const isAlone = holds === 'report' || entry.attempts >= 3;
    const dueAt = isAlone ? (retryAt ?? now() + backoffMs(entry.attempts + 1, retry)) : now();
    outbox.postpone(entry, dueAt, reason);
    logger.debug({ key: entry.key, reason, attempts: entry.attempts + 1 }, 'feedback has to wait');
  }

  function refuse(entry: WaitingEntry, reason: string): void {
    outbox.refused(entry, reason);
    logger.warn({ key: entry.key, channel: entry.channel, reason }, 'feedback is not wanted and was dropped');
  }

  async function tell(entry: WaitingEntry): Promise<void> {
    const outcome = await deps.send(entry, stop.signal).catch((error: unknown): ReportOutcome => {
      if (stop.signal.aborted) throw error;
      logger.error({ err: error, key: entry.key }, 'feedback could not be told');
      return { type: 'later', reason: 'a defect', holds: 'report' };
    });
    if (outcome.type === 'later') {
      const isPatient = now() - entry.putAt <= patienceMs;
      return isPatient ? postpone(entry, outcome) : refuse(entry, `given up: ${outcome.reason}`);
    }
    failures.delete(entry.destination);
    heldUntil.delete(entry.destination);
    if (outcome.type === 'refused') return refuse(entry, outcome.reason);
    outbox.sent(entry);
  }

  function start(entry: WaitingEntry): void {
    const key = lane(entry);
    busy.add(key);
    const work: Promise<void> = tell(entry)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) logger.error({ err: error, key: entry.key }, 'feedback could not be kept');
      })
      .finally(() => {
        busy.delete(key);
        underWay.delete(work);
        pump();
      });
    underWay.add(work);
  }

  function prune(): void {
    if (now() - prunedAt < pruneEveryMs) return;
    prunedAt = now();
    for (const [key, until] of heldUntil) if (until <= now()) heldUntil.delete(key);
    const dropped = outbox.prune(now() - keepToldMs, deps.maxWaiting ?? defaultMaxWaiting);
    if (dropped.length > 0) logger.warn({ count: dropped.length }, 'feedback was given up: too much waits');
  }

  /** Probing with one request only, while a destination is away. */
  function mayStart(entry: WaitingEntry): boolean {
    if (busy.has(lane(entry)) || underWay.size >= concurrency) return false;
    const isProbing = failures.has(entry.destination);
    return !isProbing || ![...busy].some((key) => key.startsWith(`${entry.destination} `));
  }

  function pump(): void {
    clearTimeout(timer);
    if (stop.signal.aborted) return;
    prune();
    let nextAt = outbox.nextDueAt() ?? Number.POSITIVE_INFINITY;
    if (nextAt <= now()) nextAt = Number.POSITIVE_INFINITY;
    for (const entry of outbox.due(now())) {
      const until = holdOf(entry);
      if (until > now()) nextAt = Math.min(nextAt, until);
      else if (mayStart(entry)) start(entry);
    }
    sleepUntil(nextAt);
  }

  /** Whatever ends pumps again, so only what is put off needs the timer. */
  function sleepUntil(at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(pump, Math.min(maxSleepMs, Math.max(1, at - now())));
    timer.unref();
  }

  let isWoken = false;

  return {
    wake() {
      if (isWoken || stop.signal.aborted) return;
      isWoken = true;
      setImmediate(() => {
        isWoken = false;
        pump();
      });
    },
    async settled() {
      do {
        await new Promise((resolve) => setImmediate(resolve));
        await Promise.all(underWay);
      } while (underWay.size > 0 || isWoken);
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      stop.abort(new Error('feedback stops'));
      await Promise.all(underWay);
    },
  };
}
