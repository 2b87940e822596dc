import type { CheckedHistory, IndexedRepository } from '../index/indexed-repository.ts';
import type { FileChange } from '../repository/manifest-repository.ts';

/** The branch at one head, with what this batch is about to put on top. All decisions are made from it. */
export interface BranchView {
  readonly head: string;
  text(path: string): Promise<string | null>;
  has(path: string): Promise<boolean>;
  /** Commits already on the branch; those of the batch are not among them. */
  history(): Promise<CheckedHistory>;
  /** The number that the next commit of this file gets. */
  nextNumber(path: string): Promise<number>;
  /** Names of the plain files in a folder. */
  files(folder: string): Promise<string[]>;
  /** Whether an earlier intent of this batch changes the file. */
  isPending(path: string): boolean;
  apply(changes: readonly FileChange[]): void;
}

export function createBranchView(repository: IndexedRepository, head: string): BranchView {
  const pending = new Map<string, { content: string | null; commits: number }>();
  let asked: Promise<CheckedHistory> | undefined;

  function history(): Promise<CheckedHistory> {
    asked ??= repository.history(head);
    return asked;
  }

  return {
    head,
    history,
    async text(path) {
      const change = pending.get(path);
      if (change) return change.content;
      const blob = await repository.blobOf(head, path);
      return blob === null ? null : await repository.read(blob);
    },
    async has(path) {
      const change = pending.get(path);
      return change ? change.content !== null : (await repository.blobOf(head, path)) !== null;
    },
    async nextNumber(path) {
      return (await history()).count(path) + (pending.get(path)?.commits ?? 0) + 1;
    },
    async files(folder) {
      const entries = await repository.list(head, folder);
      const names = new Set(entries.filter(({ type }) => type === 'file').map(({ name }) => name));
      for (const [path, { content }] of pending) {
        const name = path.slice(folder.length + 1);
        if (path !== `${folder}/${name}` || name.includes('/')) continue;
        if (content === null) names.delete(name);
        else names.add(name);
      }
      return [...names].sort();
    },
    isPending: (path) => pending.has(path),
    apply(changes) {
      for (const { path, content } of changes) {
        pending.set(path, { content, commits: (pending.get(path)?.commits ?? 0) + 1 });
      }
    },
  };
}
