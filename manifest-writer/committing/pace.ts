import { delay } from '../../runtime/lifecycle.ts';

/** Time as the queue sees it; tests hand in their own. */
export interface Timing {
  /** Milliseconds since the epoch. */
  now(): number;
  delay(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTiming: Timing = { now: Date.now, delay };

/** GitHub asks for no more. Source: its documentation's "repository limits". */
const githubPushesPerMinute = 6;

/** `undefined`: as many as there are. */
export function defaultPushesPerMinute(remoteUrl: string): number | undefined {
  const host =
    /^(?:https?|ssh):\/\/(?:[^@/]*@)?([^/:]+)/i.exec(remoteUrl)?.[1] ??
    /^(?:[^@/\s]+@)?([^/:\s]+):(?!\/\/)/.exec(remoteUrl)?.[1];
  return host?.toLowerCase() === 'github.com' ? githubPushesPerMinute : undefined;
}

/** Keeps pushes apart: the first goes at once, and what comes before the next may go gathers. */
export function createPace(pushesPerMinute: number | undefined, timing: Timing) {
  const gapMs = pushesPerMinute === undefined ? 0 : Math.ceil(60_000 / pushesPerMinute);
  let nextAt = Number.NEGATIVE_INFINITY;
  return {
    async turn(signal: AbortSignal): Promise<void> {
      for (let wait = nextAt - timing.now(); wait > 0; wait = nextAt - timing.now()) {
        await timing.delay(wait, signal);
      }
    },
    pushed(): void {
      if (gapMs > 0) nextAt = timing.now() + gapMs;
    },
  };
}

const quietMs = 3;
const maxLingerMs = 40;

/**
 * How long a batch waits for company. A single intent never does. Those whose last batch had company are many, and ask
 * again when they have their answers: one push for all of them is worth some milliseconds, as long as more keep coming.
 */
export function createLinger(timing: Timing) {
  let lastBatch = 0;
  return {
    async gather(queued: () => number, maxBatch: number, signal: AbortSignal): Promise<void> {
      if (lastBatch <= 1) return;
      const until = timing.now() + maxLingerMs;
      for (let seen = 0; seen < queued() && queued() < maxBatch && timing.now() < until; ) {
        seen = queued();
        await timing.delay(quietMs, signal);
      }
    },
    batchWas(size: number): void {
      lastBatch = size;
    },
  };
}
