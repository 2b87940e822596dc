import type { HeldDeployQuery, WriteOutcome } from '../../core/manifest-writer.ts';
import { textAt } from '../history/history-reader.ts';
import type { IndexedRepository } from '../index/indexed-repository.ts';
import { isFunction, manifestPath } from '../paths.ts';
import { heldReason, holdOf } from './hold.ts';
import type { WaitingStore } from './waiting-store.ts';

interface Sources {
  waiting: WaitingStore;
  repository: Pick<IndexedRepository, 'history' | 'blobOf' | 'read'>;
  head: string;
}

/** What became of a deploy that was answered `held`: its end is kept beside the writer, its commit in git. */
export async function outcomeAfterHold(query: HeldDeployQuery, sources: Sources): Promise<WriteOutcome> {
  const { owner, functionName, environment, buildId } = query;
  if (!isFunction(owner, functionName)) return { type: 'skipped', reason: 'there is no such function' };
  const path = manifestPath(owner, functionName, environment);
  const { waiting, repository, head } = sources;
  const waits = waiting.deploy(path)?.intent.buildId === buildId;
  const ended = waits ? undefined : waiting.ended(path, buildId);
  if (ended) return ended;
  const done = await (await repository.history(head)).byBuild(path, buildId);
  if (done) {
    return { type: 'pushed', commit: done.commit, written: [{ functionName, number: done.number }] };
  }
  if (!waits) return { type: 'skipped', reason: 'something newer took its place while it waited' };
  const hold = holdOf(await textAt(repository, head, path));
  return { type: 'held', reason: hold === undefined ? 'it is being released' : heldReason(hold) };
}
