import type { Alarm } from './alarm.ts';
import { createPatience } from './patience.ts';

/** Says why a deploy does not go on, once that lasts, and when it goes on again. */
export interface WaitingNote {
  /** `undefined`: nothing is in its way. */
  set(why: string | undefined): void;
}

export function createWaitingNote(
  tell: (why: string | null) => void,
  { ms, now, alarm }: { ms: number; now: () => number; alarm: Alarm },
): WaitingNote {
  const patience = createPatience(ms, now, alarm);
  let told: string | null = null;

  function say(why: string | null): void {
    if (why === told) return;
    told = why;
    tell(why);
  }

  return {
    set(why) {
      if (why === undefined) {
        patience.reset();
        say(null);
      } else if (patience.isOver()) say(why);
    },
  };
}
