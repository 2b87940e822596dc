import { z } from 'zod';
import { CommitSha, OwnerSlug, RepoName } from './names.ts';

/** A person as a forge names them; shown and written to commits, never used to decide access. */
export const Person = z.object({
  name: z.string().min(1).max(200),
  email: z.string().max(320),
  login: z.string().max(100),
});
export type Person = z.infer<typeof Person>;

const Repository = z.object({
  /** The forge's own stable id: the identity, so that a rename keeps its functions. */
  id: z.string().min(1).max(200),
  name: RepoName,
  owner: OwnerSlug,
  ownerId: z.string().min(1).max(200),
  cloneUrl: z.string().max(2000),
  defaultBranch: z.string().min(1).max(250),
  private: z.boolean(),
});

const base = {
  /** The delivery's id, unique per event; a redelivery repeats it. */
  id: z.string().min(1).max(200),
  scm: z.enum(['git', 'github', 'gitlab']),
  repository: Repository,
  actor: Person,
};

/** Commits arrived on a ref, or a ref was created (`before` is all zeros) or deleted (`after` is). */
export const PushEvent = z.object({
  ...base,
  type: z.literal('push'),
  ref: z.string().min(1).max(300),
  before: CommitSha,
  after: CommitSha,
});
export type PushEvent = z.infer<typeof PushEvent>;

/** The repository is gone: all of its functions go too. */
export const RepositoryDeletedEvent = z.object({ ...base, type: z.literal('repository-deleted') });
export type RepositoryDeletedEvent = z.infer<typeof RepositoryDeletedEvent>;

/** What every webhook is translated to before anything else looks at it. */
export const SourceEvent = z.discriminatedUnion('type', [PushEvent, RepositoryDeletedEvent]);
export type SourceEvent = z.infer<typeof SourceEvent>;
