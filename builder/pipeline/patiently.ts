import type { DeployStage } from '../../core/deploy.ts';
import { type ErrorCode, TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { PipelineContext, PushTask } from './pipeline-context.ts';

/** Somebody else is away or was faster: the same call may succeed later. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'remote_unavailable',
  'write_conflict',
  'unavailable',
  'engine_unavailable',
  'registry_unavailable',
]);

const defaultPatienceMs = 6 * 60 * 60_000;
const defaultRetry = { firstMs: 250, maxMs: 30_000 };

export interface Patience {
  stage: DeployStage;
  functionName?: string | null;
  /** Ends the waiting, not the attempt. */
  signal: AbortSignal;
  /** Told when the waiting begins, with the error waited out, and `undefined` when it is over. */
  onWaiting?: (error: TowlineError | undefined) => void;
}

/** Tries until it succeeds, fails for good, or the patience is over; says in the log that it waits. */
export async function patiently<T>(
  task: PushTask,
  context: PipelineContext,
  patience: Patience,
  attempt: () => Promise<T>,
): Promise<T> {
  const { stage, functionName = null, signal, onWaiting } = patience;
  const { remotePatienceMs = defaultPatienceMs, retry = defaultRetry } = context.config;
  const deadline = context.now() + remotePatienceMs;
  for (let tries = 1; ; tries += 1) {
    try {
      const result = await attempt();
      if (tries > 1) onWaiting?.(undefined);
      return result;
    } catch (error) {
      if (!(error instanceof TowlineError) || !passing.has(error.code)) throw error;
      signal.throwIfAborted();
      if (context.now() > deadline) throw error;
      const waitMs = backoffMs(tries, { ...retry, random: context.random });
      const text = `waiting: ${error.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`;
      task.journal.say({ kind: 'warning', stage, functionName, text });
      onWaiting?.(error);
      await delay(waitMs, signal);
    }
  }
}
