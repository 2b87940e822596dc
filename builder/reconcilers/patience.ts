import type { Alarm } from './alarm.ts';

/** Tells what passes by itself from what lasts. */
export interface Patience {
  /** Whether the trouble lasts already; the alarm goes off when it is worth asking again. */
  isOver(): boolean;
  /** The trouble is gone: a new one begins anew. */
  reset(): void;
}

export function createPatience(ms: number, now: () => number, alarm: Alarm): Patience {
  let since: number | undefined;
  return {
    isOver() {
      since ??= now();
      const left = since + ms - now();
      if (left > 0) alarm.in(left);
      return left <= 0;
    },
    reset() {
      since = undefined;
    },
  };
}
