import type { Person } from './source-event.ts';

export interface HostedRepository {
  owner: string;
  ownerId: string;
  name: string;
  defaultBranch: string;
  /** For people: no credentials in it. */
  cloneUrl: string;
  /** Milliseconds since the epoch; `null` if nothing was pushed yet. */
  pushedAt: number | null;
}

/** The source repositories that the platform itself holds. With a forge in its place there are none. */
export interface RepositoryHost {
  list(owner: string): Promise<HostedRepository[]>;
  /** Deletes it and tells the build service, so that its functions go too. Throws `not_found`. */
  delete(owner: string, name: string, actor: Person): Promise<void>;
}
