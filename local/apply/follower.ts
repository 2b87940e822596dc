import type { DeployCause } from '../../core/deploy.ts';
import { digestOf } from '../../core/names.ts';
import type { FollowOutcome, FollowTarget } from '../../core/reconciler.ts';
import type { Supervisor } from '../functions/index.ts';
import type { Manifest } from './desired-state.ts';

/** How a followed commit stands, given the manifest of its function at the applied head; `undefined` is "not yet". */
export function outcomeOf(
  target: FollowTarget,
  manifest: Manifest | undefined,
  supervisor: Supervisor,
): FollowOutcome | undefined {
  const { owner, functionName, digest } = target;
  const isAskedFor = manifest !== undefined && manifest.reading.type !== 'ignored';
  if (digest === null) {
    if (isAskedFor) return { type: 'superseded' };
    return supervisor.lookup(owner, functionName) === undefined ? { type: 'removed' } : undefined;
  }
  if (!isAskedFor) return { type: 'superseded' };
  if (manifest.reading.type === 'refused') return failed('apply', manifest.reading.cause);
  if (manifest.reading.type !== 'function') return undefined;
  if (digestOf(manifest.reading.desired.image) !== digest) return { type: 'superseded' };
  const progress = supervisor.progress(owner, functionName);
  if (progress === undefined || digestOf(progress.image) !== digest) return undefined;
  if (progress.state === 'serving') return { type: 'live' };
  return progress.cause === null ? undefined : failed('live', progress.cause);
}

function failed(stage: 'apply' | 'live', cause: DeployCause): FollowOutcome {
  return { type: 'failed', stage, cause };
}
