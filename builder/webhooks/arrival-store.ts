import type { GitLabArrival } from './gitlab-arrival.ts';

/** What GitLab told and nobody has been asked about yet; survives the process. */
export interface ArrivalStore {
  /** On disk when it resolves. One whose id is there already changes nothing. Throws `unavailable` when it is full. */
  add(arrival: GitLabArrival, at: number): Promise<void>;
  /** The oldest of each project, in order, of at most `limit` projects. */
  oldest(limit: number): StoredArrival[];
  remove(id: string): void;
}

export interface StoredArrival {
  arrival: GitLabArrival;
  /** Milliseconds since the epoch. */
  at: number;
}
