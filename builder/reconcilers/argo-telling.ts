import type { Alarm } from './alarm.ts';
import type { Nudge } from './source-nudge.ts';

export interface TellingOptions {
  /** Of the tenant's Application. */
  nudge: Nudge;
  /** Of what makes it. */
  setUpNudge: Nudge;
  now: () => number;
  /** Goes off when it is worth asking again. */
  alarm: Alarm;
}

/** Tells Argo CD again and again: what it is told while it looks, it forgets when it has looked. */
export interface Telling {
  /** The tenant has no Application, or not all that it needs. */
  toSetUp(): void;
  /** The Application was told once; it has not looked at the commit yet. */
  toLook(): void;
}

/** Milliseconds. */
const againMs = 5_000;

export function createTelling({ nudge, setUpNudge, now, alarm }: TellingOptions): Telling {
  let toldAt = now();
  let isSetUpTold = false;

  function isTime(): boolean {
    const left = toldAt + againMs - now();
    alarm.in(left > 0 ? left : againMs);
    if (left > 0) return false;
    toldAt = now();
    return true;
  }

  return {
    toSetUp() {
      const isAgain = isTime();
      if (isAgain || !isSetUpTold) setUpNudge();
      if (isAgain) nudge();
      isSetUpTold = true;
    },
    toLook() {
      if (isTime()) nudge();
    },
  };
}
