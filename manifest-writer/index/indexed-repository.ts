import type { ManifestRepository, NewCommit } from '../repository/manifest-repository.ts';
import type { BranchHistory, HistoryIndex } from './history-index.ts';

/** The branch, with its history at hand. */
export interface IndexedRepository extends ManifestRepository {
  /** The first-parent history of a commit that the local copy has. */
  history(head: string): Promise<BranchHistory>;
}

/** Keeps the index in step: what was pushed here need not be read from git again. Both are disposed of together. */
export function withHistory(repository: ManifestRepository, index: HistoryIndex): IndexedRepository {
  let appended: { parent: string; commits: { id: string; commit: NewCommit }[] } | undefined;
  return {
    ...repository,
    history: (head) => index.at(head),
    async append(parent, commits) {
      const ids = await repository.append(parent, commits);
      appended = { parent, commits: commits.map((commit, at) => ({ id: ids[at] ?? '', commit })) };
      return ids;
    },
    async push(commit, expected) {
      const made = appended;
      const result = await repository.push(commit, expected);
      const pushed =
        result.type === 'pushed' && made?.parent === expected && made.commits.at(-1)?.id === commit;
      if (pushed) await index.extend(expected, made.commits);
      return result;
    },
    async [Symbol.asyncDispose]() {
      await repository[Symbol.asyncDispose]();
      await index[Symbol.asyncDispose]();
    },
  };
}
