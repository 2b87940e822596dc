import type { ErrorCode } from './errors.ts';
import type { FunctionConfiguration, FunctionSpec, Provenance } from './function-spec.ts';
import type { Person, RemovedTogether } from './source-event.ts';

/** What a commit of the GitOps repository did, from its `Towline-Kind` trailer; `edit` is a person's direct commit. */
export const commitKinds = [
  'deploy',
  'remove',
  'revert',
  'hold',
  'resume',
  'promote',
  'secrets',
  'tenant',
  'edit',
] as const;
export type CommitKind = (typeof commitKinds)[number];

/** The trailers of DESIGN.md §4. Read with git's own parser, never from prose. */
export const trailerKeys = [
  'Towline-Kind',
  'Towline-Tenant',
  'Towline-Function',
  'Towline-Environment',
  'Towline-Deploy',
  'Towline-Source',
  'Towline-Source-Commit',
  'Towline-Image',
  'Towline-Build',
  'Towline-Actor',
  'Towline-Reason',
  'Towline-Reverts',
] as const;
export type TrailerKey = (typeof trailerKeys)[number];

export interface DeployIntent {
  /** The deploy record's id. Writing the same build twice is one commit, however often it is asked. */
  buildId: string;
  /** `rebuild`: a re-run or a recovered event. It never brings back a source commit that was deployed before and replaced since. */
  trigger: 'push' | 'rebuild';
  /**
   * Of a `rebuild` whose source commit was asked for before: the commit that was the answer. A source commit that left
   * the function unchanged is in no commit of its own, so that the history alone doesn't tell that it was replaced.
   */
  answeredBy?: string | undefined;
  /** Where it is deployed to; the default one if it isn't given. */
  environment?: string | undefined;
  spec: FunctionSpec;
  provenance: Provenance;
  sourceSubject: string;
  actor: Person;
}

export interface RemoveIntent {
  owner: string;
  /** As of every intent: the folder of `owner` must be this account's, since slugs can be given anew. */
  ownerId: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  /** All in one commit. */
  functionNames: string[];
  /**
   * `functions`, the default: those of `functionNames` that come from `repo`; `named`: those, wherever they come from;
   * `repository`: whatever comes from `repo`; `tenant`: everything of the owner. Of the last two `functionNames` is not
   * looked at.
   */
  scope?: 'functions' | 'named' | 'repository' | 'tenant' | undefined;
  /** Empty where none is known. */
  repo: string;
  sourceCommit: string | null;
  reason: string;
  actor: Person;
  /** Somebody who saw how much goes; without one a large removal becomes `needs-confirmation`. */
  confirmedBy?: Person | undefined;
  /** Functions and the commit of their newest version that was seen: if one is newer by now, the outcome is `conflict`. */
  newest?: Record<string, string> | undefined;
  /** If it is a part of a larger removal, which is too large or not as a whole. */
  together?: RemovedTogether | undefined;
}

export interface RevertIntent {
  owner: string;
  ownerId: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  functionName: string;
  /** The GitOps commit whose state of the function's file becomes current again. */
  toCommit: string;
  reason: string;
  actor: Person;
  /** The head the person saw; if the function's file changed since, the outcome is `conflict`. */
  expectedCommit?: string | undefined;
  /** Holds the function in the same commit, so that no waiting push replaces what was restored. */
  hold?: boolean | undefined;
}

/** Takes back the newest change of a function, a revert too. If it isn't the newest any more: `conflict`. */
export interface UndoIntent {
  owner: string;
  ownerId: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  functionName: string;
  commit: string;
  reason: string;
  actor: Person;
}

/** Stops deploys of a function from going live, or lets them again; committed as `towline.dev/hold` in its manifest. */
export interface HoldIntent {
  owner: string;
  ownerId: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  functionName: string;
  reason: string;
  actor: Person;
}

/** The same image and configuration into another environment. */
export interface PromoteIntent {
  owner: string;
  ownerId: string;
  functionName: string;
  from: string;
  to: string;
  reason: string;
  actor: Person;
  /** The commit of `from` whose state is promoted; its newest if it isn't given. */
  commit?: string | undefined;
  /** The deploy record's id, if a tag asks for it: then asking twice is one commit, as with a deploy. */
  buildId?: string | undefined;
  /** As of a deploy; `push` if it isn't given. */
  trigger?: DeployIntent['trigger'] | undefined;
  /** As of a deploy: of a `rebuild`, the commit that answered the same tag before. */
  answeredBy?: string | undefined;
}

/** A removal so large that somebody has to confirm it. */
export interface PendingRemoval {
  id: string;
  owner: string;
  ownerId: string;
  /** Of all functions that would go; not there if it is the default one. */
  environment?: string | undefined;
  repo: string;
  reason: string;
  actor: string;
  /** What would go, as of the last time it was asked. */
  functionNames: string[];
  /** How many functions may go without a confirmation. */
  limit: number;
  /** Milliseconds since the epoch. */
  askedAt: number;
  state: 'waiting' | 'rejected';
}

export interface RemovalAnswer {
  ownerId: string;
  id: string;
  actor: Person;
}

/** What a repository's `secrets.yml` says; an empty text removes all secrets that came from it. */
export interface SecretsIntent {
  owner: string;
  ownerId: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  repo: string;
  sourceCommit: string | null;
  /** YAML documents: SealedSecrets, and Secrets encrypted by SOPS. */
  documents: string;
  actor: Person;
}

/** Expected outcomes are values; only faults are thrown. */
export type WriteOutcome =
  | { type: 'pushed'; commit: string; written: WrittenFunction[] }
  /** The repository already says so; `commit` is the one that did. */
  | { type: 'unchanged'; commit: string; written: WrittenFunction[] }
  | { type: 'skipped'; reason: string }
  /** Kept, and deployed once the function is resumed if nothing newer waits by then. */
  | { type: 'held'; reason: string }
  /** Nothing was removed yet. */
  | { type: 'needs-confirmation'; id: string; functionNames: string[]; limit: number; message: string }
  | { type: 'refused'; code: ErrorCode; message: string }
  | { type: 'conflict'; message: string };

export interface WrittenFunction {
  functionName: string;
  number: number;
  /** What was written in another way than asked, and why: for the function's author. */
  warnings?: string[] | undefined;
}

/** An accepted intent cannot be written now: it is kept, and written once the cause has passed. */
export interface WriteDelay {
  /** `remote_unavailable`: the GitOps repository is away; `write_conflict`: others change it without pause. */
  code: ErrorCode;
  message: string;
  /** Milliseconds since the epoch. */
  since: number;
}

export interface WriteOptions {
  /**
   * Told when the intent must wait, and `undefined` when it goes on; the promise stays open meanwhile. Without it a
   * delay is thrown as an error with its code; the intent is kept all the same, and a deploy may be asked again.
   */
  onWaiting?: ((delay: WriteDelay | undefined) => void) | undefined;
  /** The same wish asked again by the same id is the same intent. A deploy, and a promotion by a tag, has its build for that. */
  id?: string | undefined;
  /** Once accepted it stays, also if the signal aborts. Without it an intent that has not begun is withdrawn then. */
  stays?: boolean | undefined;
}

/** One commit that touched one function's file. */
export interface HistoryEntry {
  commit: string;
  owner: string;
  functionName: string;
  /** Not given for the default one. */
  environment?: string | undefined;
  number: number;
  kind: CommitKind;
  subject: string;
  author: { name: string; email: string };
  /** Milliseconds since the epoch. */
  committedAt: number;
  sourceCommit: string | null;
  source: string | null;
  image: string | null;
  buildId: string | null;
  actor: string | null;
  reason: string | null;
  /** The commit that this one undoes, by trailer, by git's own revert line or by content. */
  reverts: string | null;
  /** The deploy number whose file content this commit restored, if it restored one. */
  restores: number | null;
  /** The number of the later commit that undid this one. */
  revertedBy: number | null;
  /** Not written by Towline but pushed to the repository by a person. */
  direct: boolean;
  /** Whether the function's file on the branch is this commit's. */
  current: boolean;
  /** Whether the file exists after this commit. */
  present: boolean;
}

/** A deploy that was answered `held`. */
export interface HeldDeployQuery {
  owner: string;
  functionName: string;
  environment?: string | undefined;
  buildId: string;
}

export interface ManifestDiff {
  from: string | null;
  to: string;
  /** Unified diff of the one file, as git prints it. */
  unified: string;
  /** What changed, in words: "image 1a2b3c4 → 9f8e7d6", "env GREETING changed". */
  summary: string[];
}

/** One function as the head of the GitOps repository has it. */
export interface CurrentFunction {
  owner: string;
  environment: string;
  functionName: string;
  path: string;
  /** Blob id of the manifest. */
  blob: string;
  /** The full repository name from the annotation, or `null` if the manifest doesn't parse. */
  repo: string | null;
}

export interface HistoryQuery {
  owner: string;
  environment?: string | undefined;
  functionName?: string | undefined;
  limit?: number | undefined;
  /** Only entries older than this commit. */
  before?: string | undefined;
}

/** The contract of `manifest-writer/`: intents in, commits out, history back. Methods may be called concurrently. */
export interface ManifestWriter {
  deploy(intent: DeployIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  remove(intent: RemoveIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  revert(intent: RevertIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  /** Makes a repository's secrets beside its owner's functions what its `secrets.yml` says. */
  secrets(intent: SecretsIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  undo(intent: UndoIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  hold(intent: HoldIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  /** The newest deploy that waited follows in a commit of its own. */
  resume(intent: HoldIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  /** What became of it: still `held`, else the outcome of its release; `skipped` says what took its place. */
  afterHold(query: HeldDeployQuery): Promise<WriteOutcome>;
  /** It isn't to go live any more: `refused` with `build_cancelled`, unless it was released before. Then as `afterHold`. */
  withdraw(query: HeldDeployQuery & { reason: string }): Promise<WriteOutcome>;
  promote(intent: PromoteIntent, signal?: AbortSignal, options?: WriteOptions): Promise<WriteOutcome>;
  /** Removals of an owner, or of all, that wait for an answer or were rejected. */
  removals(ownerId?: string): Promise<PendingRemoval[]>;
  confirmRemoval(answer: RemovalAnswer): Promise<WriteOutcome>;
  /** The same removal asked again stays rejected. Gives `false` if there is no such removal. */
  rejectRemoval(answer: RemovalAnswer): Promise<boolean>;
  /** Newest first. A page of an owner's history never splits a commit, so it may be longer than `limit`. */
  history(query: HistoryQuery): Promise<HistoryEntry[]>;
  /** Of one function's file; `from: null` compares with the state before `to`. Throws `not_found`. */
  diff(query: {
    owner: string;
    environment?: string | undefined;
    functionName: string;
    from: string | null;
    to: string;
  }): Promise<ManifestDiff>;
  /** The manifest's text at a commit. Throws `not_found`. */
  at(query: {
    owner: string;
    environment?: string | undefined;
    functionName: string;
    commit: string;
  }): Promise<string>;
  /** What its author said about how a function runs, at the head of the branch; `undefined` if it isn't there. */
  configuration(query: {
    owner: string;
    environment?: string | undefined;
    functionName: string;
  }): Promise<FunctionConfiguration | undefined>;
  /** Functions of one owner, or of all, in one environment at the head of the branch. */
  current(owner?: string, environment?: string): Promise<CurrentFunction[]>;
}
