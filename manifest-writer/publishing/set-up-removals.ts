import { basename } from 'node:path/posix';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import type { PublishedArtifact } from './external-artifacts.ts';
import { setUpFileOf, type Unused } from './publications.ts';

type History = Pick<ManifestRepository, 'contains' | 'blobOf'>;

/**
 * Why a set-up that has no file at a head is kept as it is; `undefined`: it was removed, and goes. With a set-up go the
 * tenant's namespace and what was put there by hand, so a head without the file is not enough: it may be of another
 * branch, another repository, or of a time before the set-up. Only a commit that removed the file after the one
 * that was handed over is.
 */
export async function whyKept(
  history: History,
  head: string,
  setUp: PublishedArtifact,
  unused: readonly Unused[],
): Promise<string | undefined> {
  const path = setUpFileOf(setUp);
  const other = unused.find((file) => stem(file.path) === stem(path));
  if (other) return `${other.path} may be it, and is not read`;
  const { commit } = setUp;
  if (commit === undefined) return 'its artifact does not say of what commit it is';
  if (!(await history.contains(head, commit)))
    return `the branch does not have the commit ${commit} it is of`;
  if ((await history.blobOf(commit, path)) === null) return `the commit ${commit} it is of never had ${path}`;
  return undefined;
}

const stem = (path: string) => basename(path).replace(/\.[^.]*$/, '');
