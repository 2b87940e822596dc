import type { DeployIntent, PendingRemoval, RemoveIntent, WriteOutcome } from '../../core/manifest-writer.ts';

/** A deploy that waits for its function to be resumed. */
export interface WaitingDeploy {
  path: string;
  intent: DeployIntent;
  /** The commit of the function's newest version when it began to wait: see `whyOutOfDate`. */
  base: string;
}

/** What waits for a person. Unlike the index it is nowhere else, so what a method was given is on disk when it returns. */
export interface WaitingStore extends Disposable {
  /** Takes the place of an earlier deploy of the same file, which ends so. */
  putDeploy(deploy: WaitingDeploy): void;
  deploy(path: string): WaitingDeploy | undefined;
  deployPaths(): string[];
  /** Whether this source commit waited for this file and was replaced by a newer one. */
  isReplaced(path: string, sourceCommit: string): boolean;
  /** A newer push of this source commit asks for what is live already. */
  supersedeDeploy(path: string, buildId: string, sourceCommit: string): void;
  /** It waits no more; what is known of the source commits that waited before it goes too. */
  endDeploy(path: string, buildId: string, outcome: WriteOutcome): void;
  /** How a deploy that waited has ended, as long as it is kept; of a release, git knows it for ever. */
  ended(path: string, buildId: string): WriteOutcome | undefined;
  /** Asked again, a removal stays as it was answered. */
  putRemoval(removal: PendingRemoval, intent: RemoveIntent): void;
  removal(id: string): { removal: PendingRemoval; intent: RemoveIntent } | undefined;
  /** Of one owner id, or of all. */
  removals(ownerId: string | undefined): PendingRemoval[];
  rejectRemoval(id: string): void;
  dropRemoval(id: string): void;
}
