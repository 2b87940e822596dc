import { TowlineError } from '../../core/errors.ts';

/** A name and an email as git writes them; already made safe by `message/ident.ts`. */
export interface Signature {
  name: string;
  email: string;
}

export interface FileChange {
  path: string;
  /** `null` deletes the file. */
  content: string | null;
}

export interface NewCommit {
  message: string;
  author: Signature;
  committer: Signature;
  /** Milliseconds since the epoch. */
  time: number;
  changes: FileChange[];
}

export interface FolderEntry {
  name: string;
  type: 'file' | 'folder';
  /** Object id. */
  id: string;
}

/** What one commit did to one file, compared with its first parent. */
export interface LoggedChange {
  path: string;
  /** Blob ids; `null` if the file doesn't exist on that side. */
  before: string | null;
  after: string | null;
}

export interface LoggedCommit {
  commit: string;
  author: Signature;
  committer: Signature;
  /** Milliseconds since the epoch. */
  committedAt: number;
  subject: string;
  body: string;
  /** As git's own trailer parser reads them; a key may occur several times. */
  trailers: Record<string, string[]>;
  changes: LoggedChange[];
}

/** A commit of the branch's first-parent history. */
export interface MainlineCommit extends LoggedCommit {
  parents: string[];
}

export type PushResult =
  | { type: 'pushed' }
  /** Somebody else moved the branch; nothing was changed. */
  | { type: 'lost-race' }
  /** The remote said no: a hook, a protected branch, a quota. One or a few lines for people. */
  | { type: 'refused'; message: string };

/** The local copy is missing or broken. `repair` makes it anew; nothing of value is lost with it. */
export class DamagedCopyError extends Error {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'DamagedCopyError';
  }
}

/** The remote is there but gave no verdict on a push: it may have arrived, which a look at the branch tells. */
export class BrokenPushError extends TowlineError {
  constructor(options: { cause: Error }) {
    super('remote_unavailable', 'the GitOps repository broke off the push', options);
    this.name = 'BrokenPushError';
  }
}

/**
 * The GitOps repository's branch as the writer needs it: read at a commit, build commits aside, and publish them
 * only if the branch is still where it was. Every method may throw DamagedCopyError. Commit arguments are full ids.
 */
export interface ManifestRepository extends AsyncDisposable {
  /** The newest head known without asking the remote. */
  head(): string;
  /** Asks the remote for the branch's head. Throws `remote_unavailable`. */
  refresh(): Promise<string>;
  /** The entries of a folder at a commit; empty if there is no such folder. */
  list(commit: string, folder: string): Promise<FolderEntry[]>;
  /** The blob id of a regular file at a commit. */
  blobOf(commit: string, path: string): Promise<string | null>;
  /** The text of a blob. */
  read(blob: string): Promise<string>;
  /** Whether `commit` is the head or one of its ancestors. */
  contains(head: string, commit: string): Promise<boolean>;
  /** The first parent; `null` for the first commit. `undefined` if there is no such commit. */
  parentOf(commit: string): Promise<string | null | undefined>;
  /** Visits the first-parent commits that `since` hasn't (`null`: all), oldest first, until `visit` says `false`. */
  mainline(head: string, since: string | null, visit: (commit: MainlineCommit) => boolean): Promise<void>;
  /** Visits the commits that a merge brought in by its other parents. */
  aside(merge: string, visit: (commit: LoggedCommit) => void): Promise<void>;
  /** Visits the ids of the first-parent history, newest first, until `visit` says `false`. */
  mainlineIds(head: string, visit: (commit: string) => boolean): Promise<void>;
  /** The first-parent history of files or folders, newest first. */
  log(head: string, paths: readonly string[]): Promise<LoggedCommit[]>;
  /** Unified diff of one file; `from: null` is the empty repository. */
  diff(from: string | null, to: string, path: string): Promise<string>;
  /** Makes commits on top of `parent`, each on the one before, without publishing them. Returns their ids. */
  append(parent: string, commits: readonly NewCommit[]): Promise<string[]>;
  /** Moves the remote's branch from `expected` to `commit`, or not at all. Throws `remote_unavailable`, BrokenPushError. */
  push(commit: string, expected: string): Promise<PushResult>;
  /** Throws the local copy away and makes it again from the remote. Throws `remote_unavailable`. */
  repair(): Promise<void>;
  /** Housekeeping of the local copy; called when there is nothing else to do. */
  maintain(): Promise<void>;
}
