import { digestOf } from '../../core/names.ts';
import type { GitOpsCommits } from '../../core/reconciler.ts';
import { isPlace, manifestPath } from '../paths.ts';
import { readFunction } from '../render/read-function.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';

/** Answers from the writer's clone; what somebody else has pushed is fetched once it is asked for. */
export function createGitOpsCommits(
  repository: Pick<ManifestRepository, 'contains' | 'parentOf' | 'refresh' | 'blobOf' | 'read'>,
): GitOpsCommits {
  const isKnown = async (commit: string) => (await repository.parentOf(commit)) !== undefined;

  async function areKnown(...commits: string[]): Promise<boolean> {
    const known = await Promise.all(commits.map(isKnown));
    return known.every((one) => one);
  }

  return {
    async contains(head, commit) {
      if (!(await areKnown(head, commit))) await repository.refresh();
      return (await areKnown(head, commit)) && repository.contains(head, commit);
    },
    async wantedDigest(commit, place) {
      if (!isPlace(place)) return undefined;
      if (!(await isKnown(commit))) await repository.refresh();
      if (!(await isKnown(commit))) return undefined;
      const blob = await repository.blobOf(
        commit,
        manifestPath(place.owner, place.functionName, place.environment),
      );
      if (blob === null) return null;
      const manifest = readFunction(await repository.read(blob));
      return manifest && digestOf(manifest.spec.image);
    },
  };
}
