import { z } from 'zod';
import type { WorkloadBinding } from './auth.ts';
import type { FunctionConfiguration } from './function-spec.ts';
import { formatImageReference, parseImageReference } from './image-reference.ts';
import { CommitSha, OwnerSlug, RepoName } from './names.ts';
import type { Person } from './source-event.ts';

/** `POST /v1/images`: a CI of its own tells which image of a function is the new one. */

const Texts = z.record(z.string().max(300), z.string().max(100_000));
const Resources = z.strictObject({
  cpu: z.string().max(40).optional(),
  memory: z.string().max(40).optional(),
});
const Names = z.array(z.string().max(300)).max(500);

/** As a function of a stack file has it; whether it is allowed is judged as for a push. */
export const AnnouncedConfiguration = z
  .strictObject({
    environment: Texts.default({}),
    secrets: Names.default([]),
    labels: Texts.default({}),
    annotations: Texts.default({}),
    limits: Resources.default({}),
    requests: Resources.default({}),
    constraints: Names.default([]),
    readonly_root_filesystem: z.boolean().default(false),
  })
  .transform(
    ({ readonly_root_filesystem: readOnlyRootFilesystem, ...rest }): FunctionConfiguration => ({
      ...rest,
      readOnlyRootFilesystem,
    }),
  );

const ImageWithDigest = z
  .string()
  .max(500)
  .refine((text) => parseImageReference(text)?.digest !== undefined, {
    error: 'must be an image with its digest, as "ghcr.io/acme/shop@sha256:…"',
  })
  .transform((text) => {
    const image = parseImageReference(text);
    return image === undefined ? text : formatImageReference(image);
  });

const Ref = z
  .string()
  .max(300)
  .regex(/^refs\/(?:heads|tags)\/[^\s\p{Cc}]+$/u, 'must be as "refs/heads/main" or "refs/tags/v1"');

/** What a CI sends. With a CI's own token, repository, commit, ref and run are the token's; what is given must agree. */
export const ImageAnnouncement = z.object({
  owner: OwnerSlug,
  function: z.string().min(1).max(63),
  image: ImageWithDigest,
  /** Its last path segment: the function belongs to it from then on. */
  repository: RepoName.optional(),
  commit: CommitSha.optional(),
  ref: Ref.optional(),
  /** What the ref pointed to before: an announcement that comes late is known by it. */
  before: CommitSha.optional(),
  /** First line of the commit's message. */
  subject: z.string().max(500).default(''),
  /** Grows with every run of the CI: a smaller one never replaces a greater one. */
  run: z.int().min(0).optional(),
  /** Not given: as the function is deployed now. */
  configuration: AnnouncedConfiguration.optional(),
});
export type ImageAnnouncement = z.infer<typeof ImageAnnouncement>;

/** An announcement whose sender was found to speak for the owner and the repository. */
export interface AnnouncedImage {
  owner: string;
  ownerId: string;
  functionName: string;
  /** Ends in `@sha256:…`. */
  image: string;
  scm: 'git' | 'github' | 'gitlab';
  repository: { id: string; name: string; url: string; private: boolean };
  commit: string;
  ref: string;
  before: string | null;
  subject: string;
  run: { of: string; number: number } | null;
  actor: Person;
  configuration: FunctionConfiguration | null;
}

/** 202: it is on disk. `GET` the record by `url` with the same token, until its `state` is `done`. */
export interface AnnouncementAccepted {
  /** Of the push record; the same announcement sent again has the same. */
  id: string;
  /** Path of the record. */
  url: string;
  /** Nothing is done a second time. */
  duplicate: boolean;
}

/** `POST …/ci-bindings`: trusts the CI of one repository to announce this owner's images. */
export const CreateBindingRequest = z.object({
  issuer: z.url().max(500),
  repositoryId: z.string().regex(/^\d{1,20}$/, "must be the forge's number of the repository"),
  /** As `acme/shop`; for people. */
  repository: z.string().min(1).max(300),
  ref: Ref.nullable().default('refs/heads/main'),
  environment: z.string().min(1).max(300).nullable().default(null),
  workflow: z.string().min(1).max(300).nullable().default(null),
});
export type CreateBindingRequest = z.infer<typeof CreateBindingRequest>;

/** `GET …/ci-bindings` */
export interface Bindings {
  issuers: { issuer: string; scm: 'github' | 'gitlab' }[];
  /** What a token's `aud` has to be. */
  audience: string;
  bindings: WorkloadBinding[];
}
