import type { PromoteIntent, RevertIntent, UndoIntent, WriteOutcome } from '../../core/manifest-writer.ts';
import type { Logger } from '../../runtime/logger.ts';
import { textAt } from '../history/history-reader.ts';
import type { IndexedRepository } from '../index/indexed-repository.ts';
import { isPlace, manifestPath } from '../paths.ts';
import { readFunction } from '../render/read-function.ts';

interface ImageCheckDeps {
  repository: IndexedRepository;
  imageExists: ((image: string) => Promise<boolean>) | undefined;
  /** Runs a question on the newest head. */
  reading<T>(read: (head: string) => Promise<T>): Promise<T>;
  logger: Logger;
}

/** Whether what a revert goes back to, or what is promoted, could still run. Asked before the intent is kept, so that no registry delays others. */
export function createImageCheck({ repository, imageExists, reading, logger }: ImageCheckDeps) {
  async function whyGone(path: string, commit: string, head: string): Promise<WriteOutcome | undefined> {
    if (!imageExists || !(await repository.history(head)).has(commit)) return undefined;
    const text = await textAt(repository, commit, path);
    const image = text === null ? undefined : readFunction(text)?.spec.image;
    if (image === undefined || (await isThere(image))) return undefined;
    const message = `the image ${image} of ${commit.slice(0, 7)} is gone; push or rebuild that source commit instead`;
    return { type: 'refused', code: 'manifest_refused', message };
  }

  async function isThere(image: string): Promise<boolean> {
    try {
      return (await imageExists?.(image)) ?? true;
    } catch (err) {
      logger.warn({ err, image }, 'whether the image is still there cannot be asked');
      return true;
    }
  }

  return {
    async whyNotRevert({
      owner,
      functionName,
      environment,
      toCommit,
    }: RevertIntent): Promise<WriteOutcome | undefined> {
      if (!imageExists || !isPlace({ owner, functionName, environment })) return undefined;
      return await reading((head) => whyGone(manifestPath(owner, functionName, environment), toCommit, head));
    },
    async whyNotPromote(intent: PromoteIntent): Promise<WriteOutcome | undefined> {
      const origin = { ...intent, environment: intent.from };
      if (!imageExists || !isPlace(origin)) return undefined;
      const path = manifestPath(origin.owner, origin.functionName, origin.environment);
      return await reading(async (head) => {
        const commit = intent.commit ?? (await repository.history(head)).newest(path)?.commit;
        return commit === undefined ? undefined : await whyGone(path, commit, head);
      });
    },
    async whyNotUndo({
      owner,
      functionName,
      environment,
      commit,
    }: UndoIntent): Promise<WriteOutcome | undefined> {
      if (!imageExists || !isPlace({ owner, functionName, environment })) return undefined;
      const path = manifestPath(owner, functionName, environment);
      return await reading(async (head) => {
        const history = await repository.history(head);
        const undone = history.byCommit(path, commit);
        const before =
          undone && history.since(path, undone.number - 2, 1000).find((one) => one.number < undone.number);
        return before && (await whyGone(path, before.commit, head));
      });
    },
  };
}
