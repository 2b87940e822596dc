import { createHash } from 'node:crypto';
import type { InstallationEvent, RebuildRequest } from '../../core/forge-events.ts';
import type { ForgeEvent } from '../../core/source-event.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';

/** What one delivery of a forge comes to; several for what we tell apart and the forge doesn't. */
export type Outcome =
  | { type: 'source'; event: ForgeEvent }
  /** `owner`: whose the repositories are, where the event has no installation that says so. */
  | { type: 'installation'; event: InstallationEvent; owner?: { id: string; path: string } }
  | { type: 'rebuild'; request: RebuildRequest }
  /** GitLab has to be asked about the project before anything is decided. */
  | { type: 'arrival'; arrival: GitLabArrival }
  /** Somebody pushed to the GitOps repository itself. */
  | { type: 'gitops'; id: string; commit: string }
  /** Nothing to do; `reason` is for the log. */
  | { type: 'none'; reason: string };

/** One delivery whose signature was right. */
export interface ForgeDelivery {
  /** As the forge names the kind of event. */
  event: string;
  /** Of the delivery, as `deliveryId` makes it. */
  id: string;
  payload: unknown;
}

export const nothing = (reason: string): Outcome[] => [{ type: 'none', reason }];

const shape = /^[A-Za-z0-9_.:-]{1,120}$/;

/**
 * The id that a forge gave a delivery, which a redelivery repeats, apart from those of other forges. No signature
 * covers it: one that is missing or strange is replaced by the content's.
 */
export function deliveryId(
  scm: 'git' | 'github' | 'gitlab',
  given: string | undefined,
  body: Uint8Array,
): string {
  const id =
    given !== undefined && shape.test(given) ? given : createHash('sha256').update(body).digest('hex');
  return `${scm}-${id}`;
}

/** The id of one of a delivery's several events: the first has the delivery's own. */
export function partId(id: string, index: number): string {
  return index === 0 ? id : `${id}+${index}`;
}
