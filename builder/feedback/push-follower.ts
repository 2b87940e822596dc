import type { PushRecord } from '../../core/deploy.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Takes the newest record of each push that changed, one after the other, without holding up who changed it. */
export interface PushFollower {
  changed(push: PushRecord): void;
  /** At once; what it fails with is logged. */
  take(push: PushRecord): Promise<void>;
  /** Resolves when all that changed so far was taken. */
  settled(): Promise<void>;
}

export interface PushFollowerDeps {
  take(push: PushRecord): Promise<void>;
  /** Nothing more is begun once it aborts. */
  signal: AbortSignal;
  logger: Logger;
  /** Logged with what `take` fails with. */
  failure: string;
}

export function createPushFollower({ take, signal, logger, failure }: PushFollowerDeps): PushFollower {
  const fresh = new Map<string, PushRecord>();
  let working: Promise<void> | undefined;

  /** What can't be taken now is found again at the next start, by the records. */
  async function tryToTake(push: PushRecord): Promise<void> {
    try {
      await take(push);
    } catch (error) {
      logger.error({ err: error, pushId: push.id }, failure);
    }
  }

  async function work(): Promise<void> {
    for (const [id, push] of fresh) {
      fresh.delete(id);
      if (signal.aborted) return;
      await tryToTake(push);
    }
  }

  function startWork(): void {
    working = work().finally(() => {
      working = undefined;
      if (fresh.size > 0 && !signal.aborted) startWork();
    });
  }

  return {
    changed(push) {
      fresh.delete(push.id);
      fresh.set(push.id, push);
      if (!working) startWork();
    },
    take: tryToTake,
    async settled() {
      while (working) await working;
    },
  };
}
