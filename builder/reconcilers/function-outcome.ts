import type { CatalogEntry } from '../../core/catalog.ts';
import { digestOf } from '../../core/names.ts';
import type { FollowOutcome } from '../../core/reconciler.ts';

/** How a function stands against what an applied commit asks for. */
export type FunctionProgress =
  | { type: 'done'; outcome: FollowOutcome }
  | { type: 'waiting' }
  /** Nothing runs, and the next request starts the version that is asked for. */
  | { type: 'asleep' }
  /** It does not get healthy: for now. */
  | { type: 'troubled'; outcome: FollowOutcome }
  /** The cluster has something else, or cannot be seen: a later commit asked for it, or the cluster is not there yet. */
  | { type: 'different' };

/** `isUnseen`: that there is no entry says nothing. */
export function progressOf(
  digest: string | null,
  entry: CatalogEntry | undefined,
  isUnseen = false,
): FunctionProgress {
  if (!entry && isUnseen) return { type: 'different' };
  if (!entry) return digest === null ? done({ type: 'removed' }) : { type: 'different' };
  if (entry.status === 'Deleting' && digest === null) return { type: 'waiting' };
  if (digest === null || digestOf(entry.desiredImage) !== digest) return { type: 'different' };
  if (digestOf(entry.image ?? '') === digest && isServing(entry)) {
    return entry.status === 'Asleep' ? { type: 'asleep' } : done({ type: 'live' });
  }
  if (entry.reason === null) return { type: 'waiting' };
  const cause = { code: 'unhealthy', message: entry.reason } as const;
  return { type: 'troubled', outcome: { type: 'failed', stage: 'live', cause } };
}

/** What somebody changed by hand since does not make a version that serves a failed one. */
function isServing({ status, drift }: CatalogEntry): boolean {
  return status === 'Ready' || status === 'Asleep' || status === 'Held' || drift !== undefined;
}

function done(outcome: FollowOutcome): FunctionProgress {
  return { type: 'done', outcome };
}
