import { branchOrTag, defaultEnvironment, type RefTargets } from '../../core/environments.ts';
import { zeroSha } from '../../core/names.ts';
import type { ImageEvent, PushEvent, SourceEvent } from '../../core/source-event.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { laterMove } from './chain.ts';

/** Why an event is recorded without any work, or `undefined` if there is some. */
export function whySkipped(event: SourceEvent, refs: RefTargets): string | undefined {
  if (event.type !== 'push') return undefined;
  if (event.skipped !== undefined) return `skipped: ${event.skipped}`;
  const target = refs.forRef(event.ref, event.repository.defaultBranch, event.repository);
  if (target.way === 'none') return `skipped: ${target.reason}`;
  if (event.after !== zeroSha) return undefined;
  const name = branchOrTag(event.ref)?.name ?? event.ref;
  const { environment } = target;
  if (target.way === 'promote')
    return `skipped: the tag ${name} was deleted; what it promoted stays in "${environment}"`;
  const where = environment === defaultEnvironment ? '' : ` in "${environment}"`;
  return `skipped: the branch ${name} was deleted; its functions stay${where}`;
}

/**
 * The environment in which an event's work has its order; a promotion's is where it comes from, since it waits for what
 * is on its way there. `undefined`: in all of them.
 */
export function laneOf(event: SourceEvent, refs: RefTargets): string | undefined {
  if (event.type !== 'push') return undefined;
  const target = refs.forRef(event.ref, event.repository.defaultBranch, event.repository);
  if (target.way === 'none') return undefined;
  return target.way === 'promote' ? target.from : target.environment;
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

/** Of two deliveries of one repository, which one makes the other pointless; `unknown`: only the repository can tell. */
export type Verdict = 'earlier' | 'later' | 'neither' | 'unknown';

/**
 * Two pushes of one ref have the order of its chain, for which `known` are other pushes to go by. A rebuild replaces
 * rebuilds only: it is no news of the branch.
 */
export function superseded(later: Delivery, earlier: Delivery, known: readonly Delivery[]): Verdict {
  if (later.event.type === 'image' && earlier.event.type === 'image') {
    return announcedLate(later.event, earlier.event) ? 'later' : 'earlier';
  }
  if (earlier.event.type !== 'push') return 'neither';
  if (later.event.type !== 'push') return 'earlier';
  if (later.event.ref !== earlier.event.ref) return 'neither';
  if (later.origin === 'rebuild') return earlier.origin === 'rebuild' ? 'earlier' : 'neither';
  if (earlier.origin === 'rebuild') return 'earlier';
  return byChain(later.event, earlier.event, known);
}

function byChain(later: PushEvent, earlier: PushEvent, known: readonly Delivery[]): Verdict {
  // The same head: whoever came last knows most about it.
  if (later.after === earlier.after) return 'earlier';
  const moves = known.flatMap(({ event, origin }) => {
    return event.type === 'push' && event.ref === later.ref && origin !== 'rebuild' ? [event] : [];
  });
  const newer = laterMove(earlier, later, moves);
  if (newer === 'unknown') return 'unknown';
  return newer === 'second' ? 'earlier' : 'later';
}
