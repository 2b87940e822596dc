import type { FunctionCatalog } from '../../core/catalog.ts';
import type { FollowTarget } from '../../core/reconciler.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { ClusterError } from '../../runtime/kubernetes/cluster-api.ts';
import { delay } from '../../runtime/lifecycle.ts';

/** Whether a version that would sleep from the start is any good: it is woken once. */
export interface SleeperTrial {
  /** Begins it the first time. `false` once it has been woken, or could not be. */
  isUnderWay(signal: AbortSignal): boolean;
  /** Why it could not be woken (yet), in one line. */
  whyUntried(): string | undefined;
}

interface SleeperTrialOptions {
  /** Milliseconds that all of it may take. */
  ms: number;
  wake: () => void;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

/**
 * A Deployment scaled to none is rolled out whatever its image is, so "asleep with the new version" says nothing about the
 * version. Where it cannot be woken (no right to it, or the autoscaler takes it back at once) that has to be enough.
 */
export function createSleeperTrial(
  catalog: Pick<FunctionCatalog, 'wake'>,
  { owner, functionName }: Pick<FollowTarget, 'owner' | 'functionName'>,
  { ms, wake, retry = { firstMs: 250, maxMs: 10_000 } }: SleeperTrialOptions,
): SleeperTrial {
  let state: 'none' | 'under way' | 'over' = 'none';
  let untried: string | undefined;

  async function run(signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    for (let tries = 1; ; tries += 1) {
      try {
        await catalog.wake(owner, functionName, limited);
        untried = undefined;
        break;
      } catch (error) {
        const trouble = troubleOf(error);
        // The time may be over while it is tried again: then the trouble is what there is to say.
        untried = trouble?.message ?? untried ?? 'it was put to sleep again before it had started';
        // What is no trouble of waking, as that it does not start, is the catalog's to say.
        if (!trouble?.mayPass || limited.aborted) break;
        wake();
      }
      await delay(backoffMs(tries, retry), limited).catch(() => undefined);
    }
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
    whyUntried: () => untried,
  };
}

/** No right to it, nothing to scale, or no scaling. */
const final: ReadonlySet<number> = new Set([403, 404, 405]);

/** What the cluster said instead of waking it, or that it said nothing. */
function troubleOf(error: unknown): { message: string; mayPass: boolean } | undefined {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return undefined;
  const { message, cause } = error;
  const mayPass = !(cause instanceof ClusterError && final.has(cause.status));
  const said = cause instanceof ClusterError ? `the API server answers ${cause.status}: ` : '';
  return { message: `${message}: ${said}${cause.message}`, mayPass };
}
