import { branchOf, zeroSha } from '../../core/names.ts';
import type { ImageEvent, SourceEvent } from '../../core/source-event.ts';
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
 * Whether `later`, though it arrived later, was made before `earlier`: its run comes before, or its commit is what
 * the ref pointed to before the other's. Without either the order of arrival counts.
 */
export function announcedLate(later: ImageEvent, earlier: ImageEvent): boolean {
  if (later.run !== null && earlier.run !== null && later.run.of === earlier.run.of) {
    return later.run.number < earlier.run.number;
  }
  return later.ref === earlier.ref && earlier.before === later.after && later.before !== earlier.after;
}

/**
 * Of two deliveries of one repository, which one makes the other pointless. A rebuild replaces rebuilds only:
 * it is no news of the branch.
 */
export function superseded(later: Delivery, earlier: Delivery): 'earlier' | 'later' | 'neither' {
  if (later.event.type === 'image' && earlier.event.type === 'image') {
    return announcedLate(later.event, earlier.event) ? 'later' : 'earlier';
  }
  if (earlier.event.type !== 'push') return 'neither';
  if (later.event.type !== 'push') return 'earlier';
  if (later.event.ref !== earlier.event.ref) return 'neither';
  if (later.origin === 'rebuild') return earlier.origin === 'rebuild' ? 'earlier' : 'neither';
  if (earlier.origin === 'rebuild') return 'earlier';
  return arrivedLate(later, earlier) ? 'later' : 'earlier';
}
