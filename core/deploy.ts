import type { ErrorCode, SourcePlace } from './errors.ts';
import type { Person } from './source-event.ts';

/** The states of one deploy, in order, then its ends (DESIGN.md §2). "live": the router serves the new digest. */
export const deployStates = [
  'queued',
  'building',
  'built',
  'committed',
  'applied',
  'live',
  'failed',
  'superseded',
  'skipped',
  'held',
  'removed',
] as const;
export type DeployState = (typeof deployStates)[number];

const ends: ReadonlySet<DeployState> = new Set([
  'live',
  'failed',
  'superseded',
  'skipped',
  'held',
  'removed',
]);

/** `held` ends a push, not the deploy: once its function is resumed it goes on at `committed`, or is superseded. */
export function isEnd(state: DeployState): boolean {
  return ends.has(state);
}

/** The steps of a deploy as people see them, in the push output, the log and the dashboard. */
export const deployStages = ['queue', 'clone', 'detect', 'build', 'commit', 'apply', 'live'] as const;
export type DeployStage = (typeof deployStages)[number];

export interface DeployCause {
  code: ErrorCode;
  message: string;
  place?: SourcePlace | undefined;
  hint?: string | undefined;
}

export interface DeployStep {
  stage: DeployStage;
  /** Milliseconds since the epoch. */
  startedAt: number;
  endedAt: number | null;
}

/**
 * One record per push and function, with every step's time. A push whose stack.yml cannot be read
 * has no function yet: its one record has `functionName: null`.
 */
export interface DeployRecord {
  /** Deterministic from the delivery and the function, so that a restart finds the same record again. */
  id: string;
  pushId: string;
  owner: string;
  ownerId: string;
  repo: string;
  /** The branch, or the tag whose push promotes. */
  branch: string;
  /** Where it goes; not there if it is the default environment. */
  environment?: string | undefined;
  functionName: string | null;
  sourceCommit: string;
  /** First line of the source commit's message; empty until it is cloned. */
  sourceSubject: string;
  actor: Person;
  state: DeployState;
  /** The stage reached; for `failed`, the stage that failed. */
  stage: DeployStage;
  cause: DeployCause | null;
  /** Why it does not go on, while it waits for something outside of Towline, as a suspended Kustomization. One line. */
  waiting?: string | undefined;
  steps: DeployStep[];
  image: string | null;
  gitopsCommit: string | null;
  /** The function's deploy number: how many commits of the GitOps repository touched its file. */
  number: number | null;
  warnings: string[];
  createdAt: number;
  updatedAt: number;
}

export type PushState = 'queued' | 'running' | 'done';

/** One accepted delivery of a push or of a repository's deletion, as people see it. */
export interface PushRecord {
  id: string;
  owner: string;
  ownerId: string;
  repo: string;
  ref: string;
  before: string;
  after: string;
  actor: Person;
  state: PushState;
  /** The environment for which its stack file was read: what the file does not name is gone from there. */
  stackRead?: string | undefined;
  /** For a push that ended without deploys: why. */
  note: string | null;
  deploys: DeployRecord[];
  createdAt: number;
  updatedAt: number;
}

/** One line of a push's log. `n` counts from 1 without gaps, so a reader can resume after any line. */
export interface LogLine {
  n: number;
  /** Milliseconds since the epoch. */
  time: number;
  /** The function it belongs to; `null` for lines of the whole push. */
  functionName: string | null;
  stage: DeployStage;
  kind: 'phase' | 'output' | 'warning' | 'error';
  text: string;
}
