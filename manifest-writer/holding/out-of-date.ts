import type { BranchHistory, IndexedVersion } from '../index/history-index.ts';
import type { IndexedRepository } from '../index/indexed-repository.ts';
import { differInHoldAlone, holdOf } from './hold.ts';
import type { WaitingDeploy } from './waiting-store.ts';

type Reading = Pick<IndexedRepository, 'read'>;

/** Versions of one function that are looked at; what waits does not wait through more of them. */
const maxVersions = 1000;

/**
 * Why a deploy waits no longer: since it began to, somebody said what the function is to be — by a rollback, an undo, a
 * deploy, a promotion, a removal, an edit. Only holding and resuming say nothing of that. A person's own commit is known
 * by what it did to the file, so `git revert` of a hold is a resume; a rollback that the writer made is always one.
 */
export async function whyOutOfDate(
  { path, base }: WaitingDeploy,
  history: BranchHistory,
  repository: Reading,
): Promise<string | undefined> {
  const [from, newest] = [history.byCommit(path, base), history.newest(path)];
  if (!from || !newest) return 'the history of the GitOps repository was rewritten while it was held';
  if (newest.after === null) return 'the function was removed while it was held';
  const changed = 'the function was changed while it was held, by';
  if (newest.number - from.number > maxVersions) return `${changed} more than ${maxVersions} commits`;
  for (const version of history.since(path, from.number, maxVersions)) {
    if (!(await isHoldOrResume(version, repository))) return `${changed} #${version.number}`;
  }
  return undefined;
}

async function isHoldOrResume(
  { trailed, kind, before, after }: IndexedVersion,
  repository: Reading,
): Promise<boolean> {
  if (trailed && kind !== 'hold' && kind !== 'resume') return false;
  if (before === null || after === null) return false;
  return differInHoldAlone(await repository.read(before), await repository.read(after));
}

/** Whether there is nothing to do about a waiting deploy yet: its function is held, and it is still the newest word. */
export async function waitsOn(
  deploy: WaitingDeploy,
  repository: Pick<IndexedRepository, 'history' | 'blobOf' | 'read'>,
  head: string,
): Promise<boolean> {
  const blob = await repository.blobOf(head, deploy.path);
  if (blob === null || holdOf(await repository.read(blob)) === undefined) return false;
  return (await whyOutOfDate(deploy, await repository.history(head), repository)) === undefined;
}
