import type { DeployRecord, LogLine, PushRecord } from './deploy.ts';
import type { AnnouncedImage } from './images.ts';
import type { Person } from './source-event.ts';

/** The contract of `builder/` towards the platform API. */
export interface BuildService {
  /** Newest first. */
  pushes(query: {
    owner: string;
    repo?: string | undefined;
    limit?: number | undefined;
  }): Promise<PushRecord[]>;
  push(id: string): Promise<PushRecord | undefined>;
  deploy(id: string): Promise<DeployRecord | undefined>;
  /** The newest record of each function of an owner, or of all owners, in one environment (the default one). */
  latestDeploys(owner?: string, environment?: string): Promise<DeployRecord[]>;
  /** Built and waiting for their function to be resumed; newest first. */
  heldDeploys(owner?: string): Promise<DeployRecord[]>;
  /**
   * Deploys an image that another CI has built, as a push would. Durable when it resolves; the same announcement again is a
   * duplicate, unless it failed. Throws `policy_refused`.
   */
  announce(image: AnnouncedImage): Promise<{ id: string; duplicate: boolean }>;
  /** Lines after `after` (0: from the first), then new ones as they come, until the push is done. */
  log(pushId: string, after: number, signal: AbortSignal): AsyncIterable<LogLine>;
  /**
   * Builds the push's commit again; never brings back what was reverted. Returns the new push's id.
   * `force`: what hasn't changed is built too, as for the newest base images.
   */
  rebuild(pushId: string, actor: Person, options?: { force?: boolean | undefined }): Promise<string>;
  /**
   * Stops what isn't committed yet of a push, also what waits for a hold's end; it ends as failed with
   * `build_cancelled`. What is committed goes live: it is rolled back, not cancelled. Throws `not_found`, or `conflict`
   * if there is nothing left to stop.
   */
  cancel(pushId: string, actor: Person): Promise<void>;
}
