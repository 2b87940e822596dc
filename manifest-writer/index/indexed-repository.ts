import { agreesWithFile } from '../history/manifest-facts.ts';
import type { ManifestRepository, NewCommit } from '../repository/manifest-repository.ts';
import type { BranchHistory, HistoryIndex, IndexedVersion } from './history-index.ts';

/** What the log says, where it decides something held against the files. */
export interface CheckedHistory extends BranchHistory {
  /** The newest version that this build made: by a commit of Towline's own whose file is what its trailers say. */
  byBuild(path: string, buildId: string): Promise<IndexedVersion | undefined>;
}

/** The branch, with its history at hand. */
export interface IndexedRepository extends ManifestRepository {
  /** The first-parent history of a commit that the local copy has. */
  history(head: string): Promise<CheckedHistory>;
}

/**
 * Keeps the index in step: what was pushed here need not be read from git again. Both are disposed of together.
 * `committerEmail` is Towline's own.
 */
export function withHistory(
  repository: ManifestRepository,
  index: HistoryIndex,
  committerEmail: string,
): IndexedRepository {
  let appended: { parent: string; commits: { id: string; commit: NewCommit }[] } | undefined;
  return {
    ...repository,
    async history(head) {
      const history = await index.at(head);
      return {
        ...history,
        async byBuild(path, buildId) {
          for (const version of history.ofBuild(path, buildId)) {
            if (version.committerEmail !== committerEmail) continue;
            if (await agreesWithFile(version, repository.read)) return version;
          }
          return undefined;
        },
      };
    },
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
