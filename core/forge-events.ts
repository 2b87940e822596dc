import { z } from 'zod';
import { CommitSha } from './names.ts';
import { Person } from './source-event.ts';

/** The account that a forge's repositories belong to: a person, an organisation or a group. */
export const ForgeAccount = z.object({
  /** The forge's own stable id, in decimal. */
  id: z.string().regex(/^[0-9]{1,20}$/),
  /** The login, or the full path of a group, as the forge writes it. Changes with a rename. */
  path: z.string().min(1).max(500),
  kind: z.enum(['user', 'organization', 'group']),
});
export type ForgeAccount = z.infer<typeof ForgeAccount>;

/** A repository of which no more is known: the forge is asked for the rest, or the delivery log. */
export const RepositoryRef = z.object({
  id: z.string().regex(/^[0-9]{1,20}$/),
  /** `owner/name`, or `group/subgroup/name`, as the forge writes it. */
  path: z.string().min(3).max(700),
  private: z.boolean(),
});
export type RepositoryRef = z.infer<typeof RepositoryRef>;

const base = {
  /** The delivery's id; of a delivery with several events each has its own, made of it. */
  id: z.string().min(1).max(200),
  scm: z.enum(['github', 'gitlab']),
  actor: Person,
};

/** What an installation of the GitHub App may see; `null` on GitLab, which knows no installations. */
const Installation = z.object({ id: z.string().regex(/^[0-9]{1,20}$/), account: ForgeAccount });

/** The App was installed or removed, put to rest or woken, or its new permissions were agreed to. */
export const InstallationChanged = z.object({
  ...base,
  type: z.literal('installation'),
  change: z.enum(['created', 'deleted', 'suspended', 'unsuspended', 'permissions-accepted']),
  installation: Installation,
  /** Those it was created with; empty for the other changes. */
  repositories: z.array(RepositoryRef).max(10_000),
});
export type InstallationChanged = z.infer<typeof InstallationChanged>;

/** Repositories came within the platform's sight, or left it. */
export const RepositoriesChanged = z.object({
  ...base,
  type: z.literal('repositories'),
  installation: Installation.nullable(),
  change: z.enum(['added', 'removed']),
  reason: z.enum(['chosen', 'created', 'deleted', 'archived', 'unarchived', 'transferred', 'opted-out']),
  repositories: z.array(RepositoryRef).min(1).max(10_000),
});
export type RepositoriesChanged = z.infer<typeof RepositoriesChanged>;

/** A repository is the same one, with another name, default branch or visibility. */
export const RepositoryChanged = z.object({
  ...base,
  type: z.literal('repository'),
  change: z.enum(['renamed', 'privatized', 'publicized', 'edited']),
  /** As it is now. */
  repository: RepositoryRef,
});
export type RepositoryChanged = z.infer<typeof RepositoryChanged>;

/** A person, organisation or group has another login or path; `account` says the new one. */
export const AccountRenamed = z.object({
  ...base,
  type: z.literal('account-renamed'),
  account: ForgeAccount,
  formerPath: z.string().min(1).max(500),
});
export type AccountRenamed = z.infer<typeof AccountRenamed>;

/** What changes whose repositories the platform serves, as opposed to what is in them. */
export const InstallationEvent = z.discriminatedUnion('type', [
  InstallationChanged,
  RepositoriesChanged,
  RepositoryChanged,
  AccountRenamed,
]);
export type InstallationEvent = z.infer<typeof InstallationEvent>;

/** Somebody pressed "re-run" on the forge. */
export const RebuildRequest = z.object({
  id: z.string().min(1).max(200),
  scm: z.enum(['github', 'gitlab']),
  /** The forge's id of the repository. */
  repositoryId: z.string().regex(/^[0-9]{1,20}$/),
  commit: CommitSha,
  /** What the reporter set on the check, if one was named: see builder/feedback. */
  externalId: z.string().max(300).nullable(),
  actor: Person,
});
export type RebuildRequest = z.infer<typeof RebuildRequest>;
