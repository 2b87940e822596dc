import { z } from 'zod';
import { CommitSha } from '../../core/names.ts';
import { Branch, ForgeId, Ref, ShortText } from './forge-values.ts';

/** The full path of a group or a person; the segments as GitLab allows them, never `.` or `..`. */
const GroupPath = z
  .string()
  .max(500)
  .regex(/^(?!.*\.\.)[A-Za-z0-9_.][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*$/)
  .refine((path) => !path.split('/').includes('.'));

/** The full path of a project. */
export const ProjectPath = GroupPath.refine((path) => path.includes('/'));

const Url = ShortText.nullish();

const Project = z.object({
  id: ForgeId,
  path_with_namespace: ProjectPath,
  visibility_level: z.number().optional(),
  git_http_url: Url,
});

export const PushPayload = z.object({
  ref: Ref,
  before: CommitSha,
  after: CommitSha,
  project_id: ForgeId,
  project: Project,
  user_id: ForgeId,
  user_name: ShortText.nullish(),
  user_username: ShortText.nullish(),
  user_email: ShortText.nullish(),
});

export const ProjectPayload = z.object({
  project_id: ForgeId,
  path_with_namespace: ProjectPath,
  old_path_with_namespace: ProjectPath.optional(),
  project_visibility: ShortText.optional(),
  owner_name: ShortText.nullish(),
  owner_email: ShortText.nullish(),
});

export const GroupRenamePayload = z.object({
  group_id: ForgeId,
  full_path: GroupPath,
  old_full_path: GroupPath,
});

/** As `GET /projects/:id` answers: docs.gitlab.com/api/projects. */
export const ProjectAnswer = z.object({
  id: ForgeId,
  path: z.string().max(300),
  path_with_namespace: ProjectPath,
  namespace: z.object({ id: ForgeId, full_path: GroupPath, kind: ShortText.optional() }),
  /** Absent while the repository is empty; one that hides something is none. */
  default_branch: Branch.nullish().catch(null),
  visibility: ShortText.optional(),
  archived: z.boolean().default(false),
  topics: z.array(ShortText).max(1000).optional(),
  /** What topics were called before GitLab 14. */
  tag_list: z.array(ShortText).max(1000).optional(),
});
export type ProjectAnswer = z.output<typeof ProjectAnswer>;
