import type { DeployCause } from './deploy.ts';

export interface FollowTarget {
  owner: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  functionName: string;
  /** The GitOps commit to follow. */
  commit: string;
  /** `sha256:…` of the image that must be served; `null` follows a removal. */
  digest: string | null;
}

export type FollowOutcome =
  /** `untried`: why a version that sleeps could not be started once to see whether it is any good. */
  | { type: 'live'; untried?: string | undefined }
  | { type: 'removed' }
  | { type: 'failed'; stage: 'apply' | 'live'; cause: DeployCause }
  /** A later commit replaced this one before it was live. */
  | { type: 'superseded' };

/** The way from a pushed commit to a served function. Adapters: the local apply loop, Flux, Argo CD. */
export interface Reconciler {
  /** Asks for the branch to be applied now. Cheap, may be called often; losing one only costs time. */
  nudge(): void;
  /**
   * Resolves when the commit is live, removed, failed or replaced. `onApplied` fires once it is applied. `onWaiting` is
   * told in one line why it does not go on, once that lasts and may still pass, and `null` when it goes on again.
   */
  follow(
    target: FollowTarget,
    onApplied: () => void,
    signal: AbortSignal,
    onWaiting?: (why: string | null) => void,
  ): Promise<FollowOutcome>;
}

/** The GitOps repository's branch, as the manifest-writer keeps up with it. */
export interface GitOpsBranch {
  /**
   * Somebody may have pushed: looks now instead of when it next would. `commit`: what was pushed, if it is known; nothing
   * is fetched if that is known here. Whether the newest commit is another's than the writer's. Throws `remote_unavailable`.
   */
  look(commit?: string, signal?: AbortSignal): Promise<boolean>;
}

/** What a reconciler that only sees revisions has to know of the GitOps repository. */
export interface GitOpsCommits {
  /** Whether `commit` is `head` or one of its ancestors; `false` also if one of them is not known (yet). */
  contains(head: string, commit: string): Promise<boolean>;
  /** `sha256:…` of the image that the function's manifest asks for; `null` without one, `undefined` if it cannot be read. */
  wantedDigest(
    commit: string,
    place: { owner: string; functionName: string; environment?: string | undefined },
  ): Promise<string | null | undefined>;
}
