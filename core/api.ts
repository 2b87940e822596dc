import { z } from 'zod';
import type { Identity } from './access.ts';
import type { CatalogEntry, FunctionStatus } from './catalog.ts';
import type { DeployRecord } from './deploy.ts';
import { defaultEnvironment, whyNotEnvironment } from './environments.ts';
import type { ErrorCode, SourcePlace } from './errors.ts';
import type { Hold } from './hold.ts';
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
  /** Those of them whose functions it may change. */
  mayChange: string[];
  /** As `http://localhost:8080/git`. */
  gitBaseUrl: string;
  version: string;
  /** Of the installation, in the configuration's order; only `default` if there are no others. */
  environments: string[];
  /** Whether what functions print can be read here; else it is read with the cluster's own tools. */
  hasOutput: boolean;
}

/** One row of the functions page. */
export interface FunctionSummary {
  owner: string;
  /** The one this row is about. Without being asked for one: the default one if the function is there, else the first that has it. */
  environment: string;
  functionName: string;
  url: string;
  /** What people are shown: `Held` for a function on hold, whatever it serves. */
  status: FunctionStatus;
  /** What is served, without a look at the hold. */
  serving: FunctionStatus;
  hold: Hold | null;
  /** The deploy that goes live when the function is resumed. */
  waiting: DeployRecord | null;
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
  /** What each environment has of it, in the configuration's order; those that never had it are left out. */
  environments: EnvironmentState[];
}

/** One function in one environment. */
export interface EnvironmentState {
  environment: string;
  url: string;
  status: FunctionStatus;
  reason: string | null;
  /** The deploy that is served; `null` if none is. */
  number: number | null;
  sourceCommit: string | null;
  /** The newest commit of its manifest there, a removal too. */
  current: HistoryEntry | null;
}

const EnvironmentName = z.string().refine((name) => whyNotEnvironment(name) === undefined, {
  error: (issue) => whyNotEnvironment(String(issue.input)) ?? 'not an environment',
});

/** Of the query of everything that is read, and of the body of every change: the default one if it isn't given. */
const inEnvironment = { environment: EnvironmentName.optional() };
export const EnvironmentParameter = z.object(inEnvironment);

export const RevertRequest = z.object({
  ...inEnvironment,
  toCommit: CommitSha,
  reason: z.string().max(500).default(''),
  expectedCommit: CommitSha.optional(),
  /** Holds the function in the same commit. */
  hold: z.boolean().optional(),
});
export type RevertRequest = z.infer<typeof RevertRequest>;

export const UndoRequest = z.object({
  ...inEnvironment,
  commit: CommitSha,
  reason: z.string().max(500).default(''),
});
export type UndoRequest = z.infer<typeof UndoRequest>;

/** Of `hold` and `resume`. */
export const HoldRequest = z.object({ ...inEnvironment, reason: z.string().max(500).default('') });
export type HoldRequest = z.infer<typeof HoldRequest>;

/** `force`: what hasn't changed is built too. */
export const RebuildRequest = z.object({ force: z.boolean().default(false) });

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
  /** Where the manifest says something else than was asked, as a policy has it. */
  warnings?: string[] | undefined;
}

/** The query of `DELETE` of one function. */
export const RemoveParameters = z.object({ ...inEnvironment, reason: z.string().max(500).default('') });

/** The query of `DELETE` of functions: those of a repository, or all of the owner's, which has to be said. */
export const RemoveManyParameters = RemoveParameters.extend({
  repo: z.string().min(1).max(100).optional(),
  all: z.literal('true', 'must be "true"').optional(),
});

/** Of a removal that somebody asked for. */
export interface RemovalResult {
  functionNames: string[];
  /** `null` while it waits for a yes. */
  commit: string | null;
  unchanged: boolean;
  /** So many go at once that nothing is removed before somebody confirms it; `null` if it is done. */
  waiting: { id: string; limit: number } | null;
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
export const streamEventNames = [
  'push.changed',
  'function.changed',
  'history.changed',
  'removals.changed',
] as const;
