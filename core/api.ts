import { z } from 'zod';
import type { Identity } from './access.ts';
import type { CatalogEntry, FunctionStatus } from './catalog.ts';
import type { DeployRecord } from './deploy.ts';
import { defaultEnvironment, whyNotEnvironment } from './environments.ts';
import type { ErrorCode, SourcePlace } from './errors.ts';
import type { HistoryEntry } from './manifest-writer.ts';
import { CommitSha, OwnerSlug } from './names.ts';

/** The platform API, version 1: what `ui/server` answers and the dashboard and the CLI ask. Paths: core/paths.ts. */

/** RFC 9457 problem details, sent as `application/problem+json`. */
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  hint?: string | undefined;
  place?: SourcePlace | undefined;
  requestId: string;
}

export interface Me {
  identity: Identity;
  /** Owners this identity may see, its own first. */
  owners: string[];
  /** As `http://localhost:8080/git`. */
  gitBaseUrl: string;
  version: string;
}

/** One row of the functions page. */
export interface FunctionSummary {
  owner: string;
  functionName: string;
  url: string;
  status: FunctionStatus;
  reason: string | null;
  repo: string;
  branch: string;
  sourceCommit: string | null;
  sourceSubject: string | null;
  author: string | null;
  /** Number and time of the deploy that is served. */
  number: number | null;
  deployedAt: number | null;
  lastDeploy: DeployRecord | null;
}

export interface FunctionDetail {
  summary: FunctionSummary;
  entry: CatalogEntry | null;
  current: HistoryEntry | null;
  /** The manifest at the head of the GitOps repository; `null` if there is none. */
  manifest: string | null;
}

export const RevertRequest = z.object({
  toCommit: CommitSha,
  reason: z.string().max(500).default(''),
  expectedCommit: CommitSha.optional(),
  /** Holds the function in the same commit. */
  hold: z.boolean().optional(),
});
export type RevertRequest = z.infer<typeof RevertRequest>;

export const UndoRequest = z.object({ commit: CommitSha, reason: z.string().max(500).default('') });
export type UndoRequest = z.infer<typeof UndoRequest>;

/** Of `hold` and `resume`. */
export const HoldRequest = z.object({ reason: z.string().max(500).default('') });
export type HoldRequest = z.infer<typeof HoldRequest>;

/** `force`: what hasn't changed is built too. */
export const RebuildRequest = z.object({ force: z.boolean().default(false) });

const EnvironmentName = z.string().refine((name) => whyNotEnvironment(name) === undefined, {
  error: (issue) => whyNotEnvironment(String(issue.input)) ?? 'not an environment',
});

export const PromoteRequest = z.object({
  from: EnvironmentName.default(defaultEnvironment),
  to: EnvironmentName,
  reason: z.string().max(500).default(''),
  commit: CommitSha.optional(),
});
export type PromoteRequest = z.infer<typeof PromoteRequest>;

/** Of every change of a function: revert, undo, hold, resume, promote, and a confirmed removal. */
export interface RevertResult {
  commit: string;
  number: number;
  unchanged: boolean;
}

export const CreateOwnerRequest = z.object({ owner: OwnerSlug });
export type CreateOwnerRequest = z.infer<typeof CreateOwnerRequest>;

export const CreateTokenRequest = z.object({
  name: z.string().min(1).max(100),
  ttlDays: z.int().min(1).max(3650).nullable().default(90),
});
export type CreateTokenRequest = z.infer<typeof CreateTokenRequest>;

export interface CreatedToken {
  id: string;
  token: string;
  expiresAt: number | null;
}

/** Names of the events on `GET /api/v1/events`; the data is the PlatformEvent as JSON. */
export const streamEventNames = ['push.changed', 'function.changed', 'history.changed'] as const;
