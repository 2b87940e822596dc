import type { PendingEntry, PendingItem } from '../../core/calls/build-service-calls.ts';
import type { PendingDeploys } from '../../core/catalog.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { Logger } from '../logger.ts';
import { type Follower, followForever } from './follow-forever.ts';

/** What is known of deploys on their way is worth telling for so long without news (milliseconds). */
const staleMs = 60_000;

const keyOf = ({ owner, functionName, environment }: Omit<PendingEntry, 'answer'>) =>
  JSON.stringify([owner, functionName, environment]);

/** Another program's `PendingDeploys`, kept here. Knows nothing until the first connection, and after a long break. */
export function followPending(
  open: (signal: AbortSignal) => AsyncIterable<PendingItem>,
  logger: Logger,
): PendingDeploys & Follower {
  const known = new Map<string, PendingEntry['answer']>();
  let stale: NodeJS.Timeout | undefined;

  function take({ isFirst, entries }: PendingItem): void {
    clearTimeout(stale);
    if (isFirst) known.clear();
    for (const entry of entries) {
      if (entry.answer) known.set(keyOf(entry), entry.answer);
      else known.delete(keyOf(entry));
    }
  }

  function onBreak(): void {
    stale = setTimeout(() => known.clear(), staleMs).unref();
  }

  const follower = followForever(open, take, { logger, what: 'the deploys on their way', onBreak });
  return {
    pending: (owner, functionName, environment = defaultEnvironment) =>
      known.get(keyOf({ owner, functionName, environment })) ?? undefined,
    isConnected: follower.isConnected,
    async [Symbol.asyncDispose]() {
      clearTimeout(stale);
      await follower[Symbol.asyncDispose]();
    },
  };
}
