import { branchOf, zeroSha } from '../../core/names.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';

/** Why an event is recorded without any work, or `undefined` if there is some. */
export function whySkipped(event: SourceEvent): string | undefined {
  if (event.type !== 'push') return undefined;
  const branch = branchOf(event.ref);
  if (branch === undefined) {
    return event.ref.startsWith('refs/tags/')
      ? `skipped: tags are not deployed (${event.ref.slice('refs/tags/'.length)})`
      : `skipped: ${event.ref} is not a branch`;
  }
  const { defaultBranch } = event.repository;
  if (branch !== defaultBranch) {
    return `skipped: only the branch ${defaultBranch} is deployed, this push was to ${branch}`;
  }
  if (event.after === zeroSha) return `skipped: the branch ${branch} was deleted; its functions stay`;
  return undefined;
}

/** Whether `later`, though it arrived later, comes before `earlier` in the ref's own chain of pushes. */
function arrivedLate(later: Delivery, earlier: Delivery): boolean {
  if (later.event.type !== 'push' || earlier.event.type !== 'push') return false;
  return earlier.event.before === later.event.after && later.event.before !== earlier.event.after;
}

/**
 * Of two deliveries of one repository, which one makes the other pointless. A rebuild replaces rebuilds only:
 * it is no news of the branch.
 */
export function superseded(later: Delivery, earlier: Delivery): 'earlier' | 'later' | 'neither' {
  if (earlier.event.type !== 'push') return 'neither';
  if (later.event.type !== 'push') return 'earlier';
  if (later.event.ref !== earlier.event.ref) return 'neither';
  if (later.origin === 'rebuild') return earlier.origin === 'rebuild' ? 'earlier' : 'neither';
  if (earlier.origin === 'rebuild') return 'earlier';
  return arrivedLate(later, earlier) ? 'later' : 'earlier';
}
