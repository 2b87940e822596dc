import type { DeployIntent, PendingRemoval, RemoveIntent } from '../../core/manifest-writer.ts';

/** A deploy that waits for its function to be resumed. */
export interface WaitingDeploy {
  path: string;
  intent: DeployIntent;
  /** The image that ran when it began to wait: once another one does, it is out of date. */
  base: string;
}

/** What waits for a person. Unlike the index it is nowhere else, so what a method was given is on disk when it returns. */
export interface WaitingStore extends Disposable {
  /** Takes the place of an earlier deploy of the same file. */
  putDeploy(deploy: WaitingDeploy): void;
  deploy(path: string): WaitingDeploy | undefined;
  deployPaths(): string[];
  /** Whether this source commit waited for this file and was replaced by a newer one. */
  isReplaced(path: string, sourceCommit: string): boolean;
  /** With what is known of its source commits. */
  dropDeploy(path: string): void;
  /** Asked again, a removal stays as it was answered. */
  putRemoval(removal: PendingRemoval, intent: RemoveIntent): void;
  removal(id: string): { removal: PendingRemoval; intent: RemoveIntent } | undefined;
  removals(owner: string | undefined): PendingRemoval[];
  rejectRemoval(id: string): void;
  dropRemoval(id: string): void;
}
