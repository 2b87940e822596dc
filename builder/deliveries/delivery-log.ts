import type { Person, SourceEvent } from '../../core/source-event.ts';
import type { KnownRepository } from '../source/source-access.ts';

/**
 * `hook`: a webhook. `rebuild`: a person asked for it. `recovered`: found by comparing branch heads; its webhook never
 * came. `restored`: the same for a repository that somebody has just brought within the platform's sight.
 */
export type DeliveryOrigin = 'hook' | 'rebuild' | 'recovered' | 'restored';

/** Whether somebody wants this commit now, also if it was replaced since: the others never bring anything back. */
export function isNews({ origin }: Pick<Delivery, 'origin'>): boolean {
  return origin === 'hook' || origin === 'restored';
}

/** One accepted event. `seq` is the order of acceptance over all repositories. */
export interface Delivery {
  seq: number;
  event: SourceEvent;
  origin: DeliveryOrigin;
  /** Everything is built, the unchanged too. */
  isForced?: boolean | undefined;
  /** Who stopped it: nothing of it that isn't committed goes on, also if it waits for a hold's end. */
  cancelledBy?: Person | undefined;
  /** Milliseconds since the epoch. */
  receivedAt: number;
}

/** A ref of one repository. */
export interface RefOf extends Pick<SourceEvent, 'repository' | 'scm'> {
  ref: string;
}

export type AppendResult =
  | { type: 'accepted'; delivery: Delivery }
  /** `id` is the delivery that did, or does, the work. */
  | { type: 'duplicate'; id: string };

/**
 * What was accepted and what of it is still to be done; survives the process. Several builders may share one: a lane's
 * deliveries are then one builder's until they are done or it is dead.
 */
export interface DeliveryLog {
  /** Others append to it too: how often to look for what they left, in milliseconds. */
  readonly pollMs?: number | undefined;
  /** Aborted once others have taken this builder for dead: what it took is theirs, and it has to stop. */
  readonly lost?: AbortSignal | undefined;
  /**
   * On disk when it resolves. Throws `unavailable` if that can't be had now. An id that was seen is a duplicate. So is a hook whose ref, `before` and `after`
   * were seen, unless the ref's newest `after` is its `before`: a forced push may go back and forth, a redelivery may not.
   * Nothing from before the repository's deletion counts, except an id.
   * A hook that comes while its push is being recovered is the real thing: it knows who pushed.
   */
  append(entry: Omit<Delivery, 'seq'>): Promise<AppendResult>;
  /** What is not done, was not given here before, and is nobody else's: from now on it is ours. In order of
   * acceptance; a part of it if it is much, so ask until there is nothing. */
  take(): Promise<Delivery[]>;
  /** Not done yet, whosever it is, in order of acceptance. */
  pending(): Promise<Delivery[]>;
  done(id: string): Promise<void>;
  /** On disk when it resolves; also of a delivery that is done. Of one that is cancelled already nothing changes: `false`. */
  cancel(id: string, by: Person): Promise<boolean>;
  find(id: string): Promise<Delivery | undefined>;
  /**
   * The newest `limit` deliveries of a ref since the repository's last deletion that tell where the ref is, newest
   * first: rebuilds don't.
   */
  ofRef(at: RefOf, limit: number): Promise<Delivery[]>;
  /** The newest `limit` deliveries of an event's lane, newest first. */
  recent(event: SourceEvent, limit: number): Promise<Delivery[]>;
  /** Every repository that was pushed to and not deleted since, as its newest delivery names it. */
  repositories(): Promise<KnownRepository[]>;
  /** The highest `seq` so far; 0 if there is none. */
  lastSeq(): Promise<number>;
  /** Forgets all but the newest `keep` deliveries of the event's lane; never one that is not done. */
  prune(event: SourceEvent, keep: number): Promise<void>;
}

/** What is done one after the other: the pushes of a repository, or the announced images of a function. */
export function laneKey(event: SourceEvent): string {
  if (event.type === 'image') return `image:${event.repository.ownerId}:${event.functionName}`;
  return repositoryKey(event.scm, event.repository);
}

/** The forge's own id is a repository's identity, so that a rename keeps it. */
export function repositoryKey(scm: SourceEvent['scm'], repository: SourceEvent['repository']): string {
  return `${scm}:${repository.id}`;
}

export function knownOf({ scm, repository, installationId }: SourceEvent): KnownRepository {
  return { scm, repository, ...(installationId === undefined ? {} : { installationId }) };
}
