import { randomUUID } from 'node:crypto';
import { type AuditTrail, auditEvent } from '../../core/audit.ts';

export type CountedEvent = Omit<Parameters<typeof auditEvent>[0], 'id' | 'time' | 'count'>;

/**
 * What anybody can make happen as often as they like: the first of each is recorded at once, its others of the same window
 * as one event with their number and what the last of them was. Each is counted for itself: by what was done, by whom, to
 * whose, and what came of it. Beyond `maxKinds` in one window the rest is counted together, and says of whom only what
 * all of them share.
 */
export interface CountedAudit extends Disposable {
  happened(event: CountedEvent): void;
}

export interface CountedAuditOptions {
  now?: (() => number) | undefined;
  windowMs?: number | undefined;
  /** Told of one by one, in a window. Default: 100. */
  maxKinds?: number | undefined;
}

interface Counter {
  event: CountedEvent;
  /** Since the last that was told. */
  count: number;
}

const defaultWindowMs = 60_000;
const defaultMaxKinds = 100;

const kindOf = ({ action, result, actor, owner, functionName, reason }: CountedEvent) =>
  JSON.stringify([action, result, actor, owner, functionName, reason]);

export function createCountedAudit(
  trail: AuditTrail,
  { now = Date.now, windowMs = defaultWindowMs, maxKinds = defaultMaxKinds }: CountedAuditOptions = {},
): CountedAudit {
  let counters = new Map<string, Counter>();
  let others: Counter | undefined;
  let timer: NodeJS.Timeout | undefined;

  const tell = ({ event, count }: Counter) =>
    trail.record(auditEvent({ ...event, id: randomUUID(), time: now(), count }));

  function arm(): void {
    timer ??= setTimeout(endWindow, windowMs).unref();
  }

  function tellWaiting(): void {
    const waiting = [...counters].filter(([, { count }]) => count > 0);
    const rest = others;
    others = undefined;
    // Whose others were just told of are not told of at once again.
    counters = new Map(waiting.map(([kind, { event }]) => [kind, { event, count: 0 }]));
    for (const [, counter] of waiting) tell(counter);
    if (rest) tell(rest);
  }

  function endWindow(): void {
    timer = undefined;
    const hadOthers = others !== undefined;
    tellWaiting();
    if (counters.size > 0 || hadOthers) arm();
  }

  function countOther(event: CountedEvent): void {
    others = others ? { event: shared(others.event, event), count: others.count + 1 } : { event, count: 1 };
  }

  return {
    happened(event) {
      const kind = kindOf(event);
      const known = counters.get(kind);
      if (known) Object.assign(known, { event, count: known.count + 1 });
      else if (counters.size >= maxKinds) countOther(event);
      else {
        counters.set(kind, { event, count: 0 });
        tell({ event, count: 1 });
      }
      arm();
    },
    [Symbol.dispose]() {
      tellWaiting();
      clearTimeout(timer);
    },
  };
}

/** Nobody is named for what others did too. */
function shared(one: CountedEvent, other: CountedEvent): CountedEvent {
  const isSame = (key: keyof CountedEvent) => one[key] === other[key];
  return {
    ...other,
    actor: isSame('actor') ? other.actor : 'several',
    owner: isSame('owner') ? (other.owner ?? null) : null,
    functionName: isSame('functionName') ? (other.functionName ?? null) : null,
    commit: isSame('commit') ? (other.commit ?? null) : null,
    target: isSame('target') ? (other.target ?? null) : null,
    reason: isSame('reason') ? (other.reason ?? null) : null,
  };
}
