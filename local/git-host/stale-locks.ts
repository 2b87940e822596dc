import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Git holds these locks for milliseconds; one this old (milliseconds) belongs to a process that was killed. */
const staleAfterMs = 60_000;
const rootLocks = ['HEAD.lock', 'packed-refs.lock', 'config.lock', 'shallow.lock', 'gc.pid.lock'];

async function modifiedAt(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.mtimeMs,
    () => undefined,
  );
}

/** Below a folder of the repository. No ref can end in ".lock", so none is mistaken for one. */
async function locksBelow(repositoryPath: string, folder: string): Promise<string[]> {
  const names = await readdir(join(repositoryPath, folder), { recursive: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith('.lock')).map((name) => join(folder, name));
}

/**
 * Frees a bare repository of locks that a killed git left behind and that would refuse every later push.
 * `olderThanMs` is 0 where no git can be at work.
 */
export async function removeStaleLocks(
  repositoryPath: string,
  olderThanMs = staleAfterMs,
): Promise<string[]> {
  const removed: string[] = [];
  const refLocks = [
    ...(await locksBelow(repositoryPath, 'refs')),
    ...(await locksBelow(repositoryPath, 'logs')),
  ];
  for (const name of [...rootLocks, ...refLocks]) {
    const path = join(repositoryPath, name);
    const time = await modifiedAt(path);
    if (time === undefined || (olderThanMs > 0 && Date.now() - time <= olderThanMs)) continue;
    await rm(path, { force: true });
    removed.push(name);
  }
  return removed;
}
