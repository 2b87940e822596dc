import { randomUUID } from 'node:crypto';
import { type AuditEvent, type AuditTrail, auditEvent } from '../../core/audit.ts';

export type CountedEvent = Omit<Parameters<typeof auditEvent>[0], 'id' | 'time' | 'count'>;

/**
 * What anybody can make happen as often as they like: the first is recorded at once, the others of the same window as
 * one event with their number and what the last of them was.
 */
export interface CountedAudit extends Disposable {
  happened(event: CountedEvent): void;
}

const defaultWindowMs = 60_000;

export function createCountedAudit(
  trail: AuditTrail,
  {
    now = Date.now,
    windowMs = defaultWindowMs,
  }: { now?: (() => number) | undefined; windowMs?: number } = {},
): CountedAudit {
  let waiting: { event: CountedEvent; count: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  function tell(event: CountedEvent, count: number): void {
    const told: AuditEvent = auditEvent({ ...event, id: randomUUID(), time: now(), count });
    trail.record(told);
    timer = setTimeout(endWindow, windowMs);
    timer.unref();
  }

  function tellWaiting(): void {
    const { event, count } = waiting ?? {};
    waiting = undefined;
    if (event && count !== undefined) tell(event, count);
  }

  function endWindow(): void {
    timer = undefined;
    tellWaiting();
  }

  return {
    happened(event) {
      if (timer) waiting = { event, count: (waiting?.count ?? 0) + 1 };
      else tell(event, 1);
    },
    [Symbol.dispose]() {
      tellWaiting();
      clearTimeout(timer);
    },
  };
}
