import type { Logger } from '../../runtime/logger.ts';

/** What goes on for long is told once: when it begins. */
export interface Notices {
  /** All that a kind of trouble concerns now; those that it concerned at the last call are not told of again. */
  tell(message: string, concerned: readonly object[]): void;
}

const maxAtOnce = 20;

export function createNotices(logger: Pick<Logger, 'warn'>): Notices {
  const told = new Map<string, ReadonlySet<string>>();
  return {
    tell(message, concerned) {
      const before = told.get(message);
      const fresh = concerned.filter((one) => !before?.has(JSON.stringify(one)));
      for (const one of fresh.slice(0, maxAtOnce)) logger.warn(one, message);
      if (fresh.length > maxAtOnce) logger.warn({ more: fresh.length - maxAtOnce }, message);
      told.set(message, new Set(concerned.map((one) => JSON.stringify(one))));
    },
  };
}
