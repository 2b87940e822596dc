import type { CommitKind } from '../../core/manifest-writer.ts';
import type { NewCommit } from '../repository/manifest-repository.ts';

/** One commit's change of one function's file, with what can only be told from the versions before and after it. */
export interface IndexedVersion {
  path: string;
  commit: string;
  /** The ordinal among the commits that touched the file: the deploy number. */
  number: number;
  /** Blob ids; `null` if the file doesn't exist on that side. */
  before: string | null;
  after: string | null;
  /** Whether the kind comes from trailers about this function; if not, from what the commit did to the file. */
  trailed: boolean;
  kind: CommitKind;
  subject: string;
  author: { name: string; email: string };
  committerEmail: string;
  /** Milliseconds since the epoch. */
  committedAt: number;
  sourceCommit: string | null;
  source: string | null;
  image: string | null;
  buildId: string | null;
  actor: string | null;
  reason: string | null;
  reverts: string | null;
  restores: number | null;
  revertedBy: number | null;
  /** Whether the function's file on the branch is this commit's. */
  current: boolean;
}

export interface VersionPage {
  limit: number;
  /** Only versions of commits older than this one; a commit that isn't on the branch has none before it. */
  before?: string | undefined;
}

/** The branch's first-parent history up to one commit. Every answer costs the same however long it is. */
export interface BranchHistory {
  /** How many commits touched the file. */
  count(path: string): number;
  newest(path: string): IndexedVersion | undefined;
  byCommit(path: string, commit: string): IndexedVersion | undefined;
  /** The newest versions that say this build made them, newest first. */
  ofBuild(path: string, buildId: string): IndexedVersion[];
  /** The newest version with this content. */
  byContent(path: string, blob: string): IndexedVersion | undefined;
  /** Whether this source commit was ever deployed as this function, also by commits that a merge put aside. */
  hasSource(path: string, sourceCommit: string): boolean;
  /** Versions with a higher number, newest first. */
  since(path: string, number: number, limit: number): IndexedVersion[];
  /** Newest first. */
  pageOfFile(path: string, page: VersionPage): IndexedVersion[];
  /** Of all files of a folder, newest first; a commit's versions are never split: the page is longer then. */
  pageOfFolder(folder: string, page: VersionPage): IndexedVersion[];
  /** Commits that deployed a source commit, newest first. */
  commitsOfSource(sourceCommit: string, limit: number): string[];
  /** Whether the commit is on the first-parent history. */
  has(commit: string): boolean;
}

/**
 * What the branch's history says, kept so that it need not be read again: made from git alone, and made anew
 * from it whenever it is missing, broken, of another version, or of a history that was rewritten.
 */
export interface HistoryIndex extends AsyncDisposable {
  /** The history as of `head`, reading what is new since the last time. */
  at(head: string): Promise<BranchHistory>;
  /** Tells of commits just made on top of `parent`, which spares reading them from git. Never needed, never fails. */
  extend(parent: string, commits: readonly { id: string; commit: NewCommit }[]): Promise<void>;
}
