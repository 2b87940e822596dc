import { z } from 'zod';
import { CommitSha } from '../../core/names.ts';
import { Person } from '../../core/source-event.ts';

/**
 * What GitLab told of a project. Its events name neither the namespace's id nor the topics, so that GitLab is asked
 * for them before it is known whose it is, and whether it is to be served.
 */
export const GitLabArrival = z.object({
  /** The delivery's. */
  id: z.string().min(1).max(200),
  kind: z.enum(['push', 'added', 'renamed', 'transferred', 'updated']),
  projectId: z.string().regex(/^[0-9]{1,20}$/),
  /** For people; what counts is what GitLab says when it is asked. */
  path: z.string().min(3).max(700),
  private: z.boolean(),
  push: z.object({ ref: z.string().min(1).max(300), before: CommitSha, after: CommitSha }).nullable(),
  /** Why the push deploys nothing, if so. */
  skipped: z.string().max(500).optional(),
  actor: Person,
});
export type GitLabArrival = z.infer<typeof GitLabArrival>;
