import type { FunctionCatalog } from '../../core/catalog.ts';
import type { FollowTarget } from '../../core/reconciler.ts';

/** Whether a version that would sleep from the start is any good: it is woken once. */
export interface SleeperTrial {
  /** Begins it the first time. `false` once it has been woken, or could not be. */
  isUnderWay(signal: AbortSignal): boolean;
}

/**
 * A Deployment scaled to none is rolled out whatever its image is, so "asleep with the new version" says nothing about the
 * version. Where it cannot be woken (no right to it, or the autoscaler takes it back at once) that has to be enough.
 */
export function createSleeperTrial(
  catalog: Pick<FunctionCatalog, 'wake'>,
  { owner, functionName }: Pick<FollowTarget, 'owner' | 'functionName'>,
  { ms, wake }: { ms: number; wake: () => void },
): SleeperTrial {
  let state: 'none' | 'under way' | 'over' = 'none';

  async function run(signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    // Why it does not start is the catalog's to say.
    await catalog.wake(owner, functionName, limited).catch(() => undefined);
    state = 'over';
    wake();
  }

  return {
    isUnderWay(signal) {
      if (state === 'none') {
        state = 'under way';
        void run(signal);
      }
      return state === 'under way';
    },
  };
}
