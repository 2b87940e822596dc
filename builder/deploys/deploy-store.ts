import type { DeployRecord, PushRecord } from '../../core/deploy.ts';

export interface PushQuery {
  owner: string;
  repo?: string | undefined;
  limit?: number | undefined;
}

/** What became of each push and of each of its functions. Records are replaced whole. */
export interface DeployStore {
  /** Inserts or replaces the push itself; its deploys are put one by one. */
  putPush(push: Omit<PushRecord, 'deploys'>): void;
  putDeploy(deploy: DeployRecord): void;
  push(id: string): PushRecord | undefined;
  /** Newest first; at most 500. */
  pushes(query: PushQuery): PushRecord[];
  deploy(id: string): DeployRecord | undefined;
  /**
   * The newest record of each function of an owner, or of all owners, in one environment (the default one). A deploy that failed doesn't count once a newer
   * push of its repository had a readable stack without the function, or the repository was deleted.
   */
  latestDeploys(owner?: string, environment?: string): DeployRecord[];
  /** The same for one function. */
  latestDeploy(owner: string, functionName: string, environment?: string): DeployRecord | undefined;
  /** Those that wait for their function to be resumed, newest first. */
  heldDeploys(owner?: string): DeployRecord[];
  /** Ids of pushes that have not ended, oldest first. */
  openPushes(): string[];
  /** Pushes that changed since, or whose deploys did, oldest first. In milliseconds since the epoch. */
  changedSince(time: number): PushRecord[];
  /** What the newest other deploy of the same function and source commit was committed as, or found committed. */
  answerOf(
    of: Pick<
      DeployRecord,
      'id' | 'owner' | 'functionName' | 'environment' | 'ownerId' | 'repo' | 'sourceCommit'
    >,
  ): string | undefined;
  /** Forgets all but the newest `keep` finished pushes of a repository and returns the ids of those forgotten. */
  prune(repository: { ownerId: string; repo: string }, keep: number): string[];
}
