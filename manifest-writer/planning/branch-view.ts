import type { FileChange, LoggedCommit, ManifestRepository } from '../repository/manifest-repository.ts';

/** One commit's change of one file, with its place in the file's history. */
export interface FileVersion {
  commit: LoggedCommit;
  /** The ordinal among all commits that touched the file: the deploy number. */
  number: number;
  /** The commit's place in the log, from 0 for the newest. */
  position: number;
  before: string | null;
  after: string | null;
}

/** The branch at one head, with what this batch is about to put on top. All decisions are made from it. */
export interface BranchView {
  readonly head: string;
  text(path: string): Promise<string | null>;
  /** Commits already on the branch, newest first. */
  versions(path: string): Promise<FileVersion[]>;
  /** The number that the next commit of this file gets. */
  nextNumber(path: string): Promise<number>;
  /** Whether an earlier intent of this batch changes the file. */
  isPending(path: string): boolean;
  apply(changes: readonly FileChange[]): void;
}

/** `paths` are all whose history the batch may ask for: they are read in one go. */
export function createBranchView(
  repository: ManifestRepository,
  head: string,
  paths: readonly string[],
): BranchView {
  const pending = new Map<string, { content: string | null; commits: number }>();
  let logged: Promise<Map<string, FileVersion[]>> | undefined;

  async function versions(path: string): Promise<FileVersion[]> {
    logged ??= readVersions(repository, head, paths);
    return (await logged).get(path) ?? [];
  }

  return {
    head,
    versions,
    async text(path) {
      const change = pending.get(path);
      if (change) return change.content;
      const blob = await repository.blobOf(head, path);
      return blob === null ? null : await repository.read(blob);
    },
    async nextNumber(path) {
      return (await versions(path)).length + (pending.get(path)?.commits ?? 0) + 1;
    },
    isPending: (path) => pending.has(path),
    apply(changes) {
      for (const { path, content } of changes) {
        pending.set(path, { content, commits: (pending.get(path)?.commits ?? 0) + 1 });
      }
    },
  };
}

/** Versions of every file below `paths` at `head`, each newest first. */
export async function readVersions(
  repository: ManifestRepository,
  head: string,
  paths: readonly string[],
): Promise<Map<string, FileVersion[]>> {
  const byPath = new Map<string, FileVersion[]>();
  if (paths.length === 0) return byPath;
  const commits = await repository.log(head, paths);
  for (const [position, commit] of commits.entries()) {
    for (const { path, before, after } of commit.changes) {
      const list = byPath.get(path) ?? [];
      list.push({ commit, number: 0, position, before, after });
      byPath.set(path, list);
    }
  }
  for (const list of byPath.values()) {
    for (const [index, version] of list.entries()) version.number = list.length - index;
  }
  return byPath;
}
