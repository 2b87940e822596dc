import type { Logger } from '../runtime/logger.ts';

/** Work that goes on by itself: what it fails with is logged, and whoever stops can wait for it. */
export interface BackgroundWork {
  /** `what` is logged if it fails before the stop. */
  run(what: string, work: Promise<void>): void;
  isEmpty(): boolean;
  /** Resolves when what runs now has ended. */
  settled(): Promise<void>;
}

export function createBackgroundWork(logger: Logger, stopped: AbortSignal): BackgroundWork {
  const running = new Set<Promise<void>>();
  return {
    run(what, work) {
      const tracked = work
        .catch((error: unknown) => {
          if (!stopped.aborted) logger.error({ err: error }, what);
        })
        .finally(() => running.delete(tracked));
      running.add(tracked);
    },
    isEmpty: () => running.size === 0,
    async settled() {
      await Promise.all(running);
    },
  };
}
