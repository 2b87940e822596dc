import { z } from 'zod';
import { FunctionConfiguration } from './function-spec.ts';
import { CommitSha, OwnerSlug, RepoName } from './names.ts';

/** A person as a forge names them; shown and written to commits, never used to decide access. */
export const Person = z.object({
  name: z.string().min(1).max(200),
  email: z.string().max(320),
  login: z.string().max(100),
});
export type Person = z.infer<typeof Person>;

export const SourceRepository = z.object({
  /** The forge's own stable id: the identity, so that a rename keeps its functions. */
  id: z.string().min(1).max(200),
  name: RepoName,
  owner: OwnerSlug,
  ownerId: z.string().min(1).max(200),
  cloneUrl: z.string().max(2000),
  defaultBranch: z.string().min(1).max(250),
  private: z.boolean(),
  /** On a forge: the full path as it writes it, `Alice/Shop` or `group/subgroup/shop`. Changes with a rename. */
  path: z.string().min(3).max(700).optional(),
});
export type SourceRepository = z.infer<typeof SourceRepository>;

const base = {
  /** The delivery's id, unique per event; a redelivery repeats it. */
  id: z.string().min(1).max(200),
  scm: z.enum(['git', 'github', 'gitlab']),
  repository: SourceRepository,
  actor: Person,
  /** The GitHub App's installation that sent it, in decimal: tokens are asked for by it. */
  installationId: z
    .string()
    .regex(/^[0-9]{1,20}$/)
    .optional(),
};

/** Commits arrived on a ref, or a ref was created (`before` is all zeros) or deleted (`after` is). */
export const PushEvent = z.object({
  ...base,
  type: z.literal('push'),
  ref: z.string().min(1).max(300),
  before: CommitSha,
  after: CommitSha,
  /** Why nothing is deployed of it, whatever its ref: it is recorded, and the person is told. */
  skipped: z.string().min(1).max(500).optional(),
});
export type PushEvent = z.infer<typeof PushEvent>;

/** What goes for one reason, over all repositories of an owner that leave by it: a guard judges the whole. */
export const RemovedTogether = z.object({
  /** How many functions. */
  functions: z.int().min(0),
  /** Of how many, before any of them went. */
  present: z.int().min(0),
});
export type RemovedTogether = z.infer<typeof RemovedTogether>;

/** The repository is gone, or is no longer to be served: all of its functions go too. */
export const RepositoryDeletedEvent = z.object({
  ...base,
  type: z.literal('repository-deleted'),
  /** Default: deleted. */
  reason: z.enum(['deleted', 'archived', 'transferred', 'removed', 'opted-out', 'uninstalled']).optional(),
  /** By environment; not there if it leaves by itself. */
  together: z.record(z.string().max(63), RemovedTogether).optional(),
});
export type RepositoryDeletedEvent = z.infer<typeof RepositoryDeletedEvent>;

/** Another CI has built `after` and says which image of one function it is. */
export const ImageEvent = z.object({
  ...base,
  type: z.literal('image'),
  functionName: z.string().min(1).max(63),
  /** Ends in `@sha256:…`. */
  image: z.string().max(600),
  ref: z.string().min(1).max(300),
  /** What the ref pointed to before; all zeros if that isn't known. */
  before: CommitSha,
  after: CommitSha,
  subject: z.string().max(500),
  /** Runs of the same kind follow each other by number. */
  run: z.object({ of: z.string().max(2000), number: z.number() }).nullable(),
  /** `null`: as the function is deployed now. */
  configuration: FunctionConfiguration.nullable(),
});
export type ImageEvent = z.infer<typeof ImageEvent>;

/** What every webhook is translated to before anything else looks at it. */
export const ForgeEvent = z.discriminatedUnion('type', [PushEvent, RepositoryDeletedEvent]);
export type ForgeEvent = z.infer<typeof ForgeEvent>;

/** What is delivered to the build service, by webhooks and by announcements. */
export const SourceEvent = z.discriminatedUnion('type', [PushEvent, RepositoryDeletedEvent, ImageEvent]);
export type SourceEvent = z.infer<typeof SourceEvent>;
