/** Tells what passes by itself from what lasts. */
export interface Patience {
  /** Whether the trouble lasts already; `wake` is called when it is worth asking again. */
  isOver(): boolean;
  /** The trouble is gone: a new one begins anew. */
  reset(): void;
}

export function createPatience(ms: number, now: () => number, wake: () => void): Patience {
  let since: number | undefined;
  return {
    isOver() {
      since ??= now();
      const left = since + ms - now();
      if (left > 0) setTimeout(wake, left).unref();
      return left <= 0;
    },
    reset() {
      since = undefined;
    },
  };
}
