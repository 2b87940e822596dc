import { z } from 'zod';
import type { Workload } from '../../core/access.ts';
import { CommitSha, RepoName } from '../../core/names.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** A job and what a binding may ask of it. */
export interface WorkloadFacts {
  workload: Omit<Workload, 'ownerIds'>;
  environment: string | null;
  /** The workflow's file, relative to its repository; `null` if it is another repository's. */
  workflow: string | null;
  /** Not everybody who may push to the repository may push to its ref, as far as the forge says; else `false`. */
  isProtected: boolean;
}

/** Ids are numbers that the forges write as text. */
const Id = z.string().regex(/^\d{1,20}$/);
const Text = z.string().min(1).max(500);
const Count = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);

/**
 * A pull request's job may run a stranger's code, and yet its token may name the branch that it is to be merged into
 * (`pull_request_target`) or one of its own that is called the same.
 */
const GitHubEvent = Text.regex(/^(?!pull_request)/);
const GitLabSource = Text.regex(/^(?!merge_request_event$|external_pull_request_event$)/);

/** Source: the OpenID Connect reference of GitHub Actions. */
const GitHubClaims = z.object({
  sub: Text,
  repository: Text,
  repository_id: Id,
  repository_owner_id: Id,
  repository_visibility: z.string().optional(),
  ref: z.string().regex(/^refs\/(?:heads|tags)\/.{1,250}$/),
  sha: CommitSha,
  actor: Text,
  actor_id: Id.optional(),
  event_name: GitHubEvent,
  ref_protected: z.string().optional(),
  workflow_ref: Text,
  run_number: Count,
  environment: Text.optional(),
});

/** Source: the ID token reference of GitLab CI. */
const GitLabClaims = z
  .object({
    sub: Text,
    project_id: Id,
    project_path: Text,
    project_visibility: z.string().optional(),
    /** Of the job itself, where GitLab tells: `project_id` is a fork's if the merge request is. */
    job_project_id: Id.optional(),
    pipeline_source: GitLabSource,
    ref: z.string().min(1).max(250),
    ref_type: z.enum(['branch', 'tag']),
    /** From GitLab 16 on. That of a merge request is none of a branch, though `ref` is the name of one. */
    ref_path: z.string().max(300).optional(),
    ref_protected: z.string(),
    sha: CommitSha.optional(),
    user_login: Text,
    user_email: z.string().max(320).optional(),
    pipeline_id: Count,
    ci_config_ref_uri: Text.optional(),
    environment: Text.optional(),
  })
  .refine((job) => job.ref_path === undefined || job.ref_path === gitLabRef(job), { path: ['ref_path'] })
  .refine((job) => job.job_project_id === undefined || job.job_project_id === job.project_id, {
    path: ['job_project_id'],
  });

function gitLabRef({ ref, ref_type }: { ref: string; ref_type: 'branch' | 'tag' }): string {
  return `refs/${ref_type === 'tag' ? 'tags' : 'heads'}/${ref}`;
}

function repositoryOf(id: string, path: string, origin: string, visibility: string | undefined) {
  const name = RepoName.parse(path.split('/').at(-1));
  return { id, name, path, url: `${origin}/${path}`, private: visibility !== 'public' };
}

/** `acme/shop/.github/workflows/x.yml@refs/heads/main` → `.github/workflows/x.yml`, of this repository only. */
function workflowOf(reference: string, prefix: string): string | null {
  if (!reference.startsWith(prefix)) return null;
  const file = reference.slice(prefix.length);
  const at = file.indexOf('@');
  return at === -1 ? file : file.slice(0, at);
}

function fromGitHub(claims: unknown, { issuer, scm }: TrustedIssuer): WorkloadFacts {
  const job = GitHubClaims.parse(claims);
  const { origin, hostname } = new URL(issuer);
  const forge = hostname === 'token.actions.githubusercontent.com' ? 'https://github.com' : origin;
  const repository = repositoryOf(job.repository_id, job.repository, forge, job.repository_visibility);
  const workflow = workflowOf(job.workflow_ref, `${job.repository}/`);
  const file = job.workflow_ref.split('@', 1)[0] ?? '';
  const host = new URL(forge).hostname;
  const email = `${job.actor_id ? `${job.actor_id}+` : ''}${job.actor}@users.noreply.${host}`;
  return {
    environment: job.environment ?? null,
    isProtected: job.ref_protected === 'true',
    workflow,
    workload: {
      ...{ via: 'workload', scm, issuer, subject: job.sub, repository, ref: job.ref, commit: job.sha },
      run: { of: `${issuer} ${job.repository_id} ${file}`, number: job.run_number },
      actor: { name: job.actor.slice(0, 200), login: job.actor.slice(0, 100), email },
    },
  };
}

function fromGitLab(claims: unknown, { issuer, scm }: TrustedIssuer): WorkloadFacts {
  const job = GitLabClaims.parse(claims);
  const { hostname } = new URL(issuer);
  const repository = repositoryOf(job.project_id, job.project_path, issuer, job.project_visibility);
  const file = job.ci_config_ref_uri?.replace(/^https?:\/\//, '') ?? '';
  const login = job.user_login.slice(0, 100);
  return {
    environment: job.environment ?? null,
    isProtected: job.ref_protected === 'true',
    workflow: workflowOf(file, `${new URL(issuer).host}/${job.project_path}//`),
    workload: {
      ...{ via: 'workload', scm, issuer, subject: job.sub, repository, commit: job.sha ?? null },
      ref: gitLabRef(job),
      run: { of: `${issuer} ${job.project_id}`, number: job.pipeline_id },
      actor: { name: login, login, email: job.user_email ?? `${login}@users.noreply.${hostname}` },
    },
  };
}

/**
 * What verified claims say. Throws a `ZodError` if they are not those of a CI job of that
 * forge, for a branch or a tag.
 */
export function workloadOf(claims: unknown, issuer: TrustedIssuer): WorkloadFacts {
  return issuer.scm === 'github' ? fromGitHub(claims, issuer) : fromGitLab(claims, issuer);
}
