import { delay } from '../../runtime/lifecycle.ts';
import { probe } from './health-check.ts';

/** When a function that was healthy counts as stuck. Times are milliseconds. */
export interface Liveness {
  /** Between two looks. */
  everyMs: number;
  /** For one answer; any answer is one. */
  timeoutMs: number;
  /** Looks in a row without an answer: counted, so that a machine that slept has not missed them. */
  failures: number;
}

const everyMs = 30_000;
const timeoutMs = 5_000;

/** Lets a function be that is silent for this long, or at all (0); one that is silent for a minute more is stuck. */
export function livenessAfter(silentMs: number): Liveness {
  const looks = 1 + Math.ceil(Math.max(0, silentMs - timeoutMs) / (everyMs + timeoutMs));
  return { everyMs, timeoutMs, failures: silentMs === 0 ? Number.POSITIVE_INFINITY : looks };
}

/** Whether it got stuck, before the signal aborted. Never rejects. */
export async function gotStuck(origin: string, liveness: Liveness, signal: AbortSignal): Promise<boolean> {
  let inARow = 0;
  while (inARow < liveness.failures) {
    await delay(liveness.everyMs, signal).catch(() => undefined);
    if (signal.aborted) return false;
    const status = await probe(origin, liveness.timeoutMs, signal);
    if (signal.aborted) return false;
    inARow = status === undefined ? inARow + 1 : 0;
  }
  return true;
}
