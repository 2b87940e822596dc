import type { FollowTarget } from '../../core/reconciler.ts';
import type { RoutersView } from '../../core/routers.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { Alarm } from './alarm.ts';

/** Whether the routers have what the builder's own catalog has. */
export interface RoutedCheck {
  /** `undefined`: they do. Between two questions the last answer holds, and the alarm goes off when one may be asked. */
  whyNot(signal: AbortSignal): Promise<string | undefined>;
}

/** A router's watch hears of a change in the same moment as the builder's: the second question comes soon. */
const again = { firstMs: 50, maxMs: 2_000 };

export function createRoutedCheck(
  routers: RoutersView | undefined,
  target: FollowTarget,
  { now, alarm }: { now: () => number; alarm: Alarm },
): RoutedCheck {
  let asked = 0;
  let nextAt = 0;
  let last: string | undefined;

  return {
    async whyNot(signal) {
      if (!routers) return undefined;
      const left = nextAt - now();
      if (last !== undefined && left > 0) {
        alarm.in(left + 1);
        return last;
      }
      last = await routers.whyNotRouted(target, signal);
      if (last === undefined) return undefined;
      asked += 1;
      const ms = backoffMs(asked, again);
      nextAt = now() + ms;
      alarm.in(ms + 1);
      return last;
    },
  };
}
