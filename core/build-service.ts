import type { DeployRecord, LogLine, PushRecord } from './deploy.ts';
import type { Person } from './source-event.ts';

/** The contract of `builder/` towards the platform API. */
export interface BuildService {
  /** Newest first. */
  pushes(query: { owner: string; repo?: string | undefined; limit?: number | undefined }): PushRecord[];
  push(id: string): PushRecord | undefined;
  deploy(id: string): DeployRecord | undefined;
  /** The newest record of each function of an owner, or of all owners, in one environment (the default one). */
  latestDeploys(owner?: string, environment?: string): DeployRecord[];
  /** Built and waiting for their function to be resumed; newest first. */
  heldDeploys(owner?: string): DeployRecord[];
  /** Lines after `after` (0: from the first), then new ones as they come, until the push is done. */
  log(pushId: string, after: number, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Builds the push's commit again; never brings back what was reverted. Returns the new push's id. */
  rebuild(pushId: string, actor: Person): Promise<string>;
}
