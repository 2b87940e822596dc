import { TowlineError } from '../../core/errors.ts';
import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { PlannedIntent } from '../planning/decision.ts';

/** An intent that waits for its outcome. `settle` and `fail` do nothing after the first call. */
export interface QueuedIntent {
  intent: PlannedIntent;
  signal: AbortSignal | undefined;
  settle(outcome: WriteOutcome): void;
  fail(error: unknown): void;
}

export interface IntentQueue extends AsyncDisposable {
  submit(intent: PlannedIntent, signal?: AbortSignal): Promise<WriteOutcome>;
}

/**
 * One queue, one batch at a time: a single intent goes at once, and what comes while a batch is on its way
 * makes up the next one. `commit` settles what it can and returns the intents that must wait for the next batch.
 */
export function createIntentQueue(options: {
  maxQueued: number;
  maxBatch: number;
  commit(batch: readonly QueuedIntent[]): Promise<QueuedIntent[]>;
  onIdle(): void;
}): IntentQueue {
  let queued: QueuedIntent[] = [];
  let working: Promise<void> | undefined;
  let stopped = false;

  async function work(): Promise<void> {
    while (queued.length > 0 && !stopped) {
      const waiting = dropAborted(queued);
      const batch = waiting.slice(0, options.maxBatch);
      queued = waiting.slice(options.maxBatch);
      if (batch.length === 0) continue;
      const left = await options.commit(batch);
      queued = [...left, ...queued];
    }
    working = undefined;
    if (!stopped) options.onIdle();
  }

  return {
    submit(intent, signal) {
      if (stopped) return Promise.reject(stoppingError());
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (queued.length >= options.maxQueued) {
        const message = 'too many deploys wait for the GitOps repository';
        return Promise.reject(new TowlineError('unavailable', message));
      }
      return new Promise((resolve, reject) => {
        queued.push({ intent, signal, settle: resolve, fail: reject });
        working ??= Promise.resolve().then(work);
      });
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await working;
      for (const one of queued.splice(0)) one.fail(stoppingError());
    },
  };
}

function stoppingError(): TowlineError {
  return new TowlineError('unavailable', 'the manifest-writer is stopping');
}

/** An intent may be taken back until its batch starts; after that its outcome is told. */
function dropAborted(intents: readonly QueuedIntent[]): QueuedIntent[] {
  return intents.filter((one) => {
    if (!one.signal?.aborted) return true;
    one.fail(one.signal.reason);
    return false;
  });
}
