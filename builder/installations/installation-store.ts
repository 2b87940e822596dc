import type { InstallationEvent } from '../../core/forge-events.ts';
import type { RepositoryDeletedEvent, SourceEvent } from '../../core/source-event.ts';
import type { KnownRepository } from '../source/source-access.ts';

type Scm = SourceEvent['scm'];

/** An owner keeps the slug it was first seen with: its id is the identity, so that a new login changes no URL. */
export interface KnownOwner {
  scm: Scm;
  id: string;
  slug: string;
  /** The login or path as the forge writes it now; for people. */
  path: string;
}

/** A repository keeps the name it was first seen with, too. */
export interface ServedRepository {
  scm: Scm;
  id: string;
  ownerId: string;
  name: string;
  /** As the forge writes it now, `owner/name`. */
  path: string;
  private: boolean;
  installationId: string | null;
  /** When its functions are removed, in milliseconds since the epoch; `null`: it is served. */
  removeAt: number | null;
}

/** The App on one account. */
export interface KnownInstallation {
  id: string;
  accountId: string;
  state: 'active' | 'suspended' | 'deleted';
}

/** A repository whose branches are to be compared with what was built. */
export interface ComparisonMark {
  seq: number;
  known: KnownRepository;
  owner: string;
  /** As of events: what is about the same has this one in common. */
  lane: string;
}

/** What forges told of installations and repositories, and what of it is still to be acted on; survives the process. */
export interface InstallationStore {
  /** On disk when it returns; an id that was seen changes nothing. */
  put(event: InstallationEvent): void;
  /** Not handled yet, in order. */
  waiting(): InstallationEvent[];
  handled(id: string): void;
  owner(scm: Scm, id: string): KnownOwner | undefined;
  /** `false`: another owner has the slug. */
  putOwner(owner: KnownOwner): boolean;
  repository(scm: Scm, id: string): ServedRepository | undefined;
  /**
   * `false`: another repository of the owner has the name. With what it leaves behind at its former owner, which is kept
   * until it is forgotten, unless that owner gets it back.
   */
  putRepository(repository: ServedRepository, departure?: RepositoryDeletedEvent): boolean;
  /** In order; those of one repository, or all. */
  departures(of?: { scm: Scm; id: string }): RepositoryDeletedEvent[];
  forgetDeparture(eventId: string): void;
  /** What it was to be compared for goes with it. */
  forgetRepository(scm: Scm, id: string): void;
  /** On disk when it returns. A newer mark of a lane takes the place of the one before. */
  toCompare(marks: readonly Omit<ComparisonMark, 'seq'>[]): void;
  /** In order. */
  comparisons(): Omit<ComparisonMark, 'known'>[];
  /** `undefined`: it was compared, marked anew or forgotten. */
  comparison(seq: number): KnownRepository | undefined;
  compared(seq: number): void;
  repositories(of?: { scm: Scm; ownerId: string }): ServedRepository[];
  installation(id: string): KnownInstallation | undefined;
  /** The one with the highest id: ids grow with every installation. */
  newestInstallation(accountId: string): KnownInstallation | undefined;
  putInstallation(installation: KnownInstallation): void;
  /** A number that was kept under this name. */
  mark(name: string): number | undefined;
  setMark(name: string, value: number): void;
}
