export interface BackoffOptions {
  /** Milliseconds before the second try. */
  firstMs: number;
  /** The longest wait, in milliseconds. */
  maxMs: number;
  /** Source of randomness in [0, 1); a test hands in its own. */
  random?: () => number;
}

/** The wait before try number `attempt` (from 1): doubling, capped, with "full jitter" over its upper half. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(attempt - 1, 30));
  const random = options.random ?? Math.random;
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
