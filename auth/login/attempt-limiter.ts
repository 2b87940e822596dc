export interface AttemptLimiter {
  /** Seconds to wait before another try, or 0 if one may be made now. */
  waitSeconds(key: string): number;
  failed(key: string): void;
  succeeded(key: string): void;
}

/** Failed logins per address in a moving window. Holds at most `maxKeys` addresses; the oldest go first. */
export function createAttemptLimiter(options: {
  maxFailures: number;
  windowMs: number;
  maxKeys: number;
  clock: () => number;
}): AttemptLimiter {
  const { maxFailures, windowMs, maxKeys, clock } = options;
  const failures = new Map<string, number[]>();

  const recent = (key: string) => (failures.get(key) ?? []).filter((time) => time > clock() - windowMs);

  return {
    waitSeconds(key) {
      const times = recent(key);
      const oldest = times[0];
      if (oldest === undefined || times.length < maxFailures) return 0;
      return Math.max(1, Math.ceil((oldest + windowMs - clock()) / 1000));
    },
    failed(key) {
      const times = [...recent(key), clock()].slice(-maxFailures);
      failures.delete(key);
      failures.set(key, times);
      const first = failures.keys().next().value;
      if (failures.size > maxKeys && first !== undefined) failures.delete(first);
    },
    succeeded(key) {
      failures.delete(key);
    },
  };
}
