import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Git holds these locks for milliseconds; one this old (milliseconds) belongs to a process that was killed. */
const staleAfterMs = 60_000;
const rootLocks = ['HEAD.lock', 'packed-refs.lock', 'config.lock'];

async function modifiedAt(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.mtimeMs,
    () => undefined,
  );
}

/** Frees a bare repository of locks that a killed git left behind and that would refuse every later push. */
export async function removeStaleLocks(repositoryPath: string): Promise<void> {
  const refs = await readdir(join(repositoryPath, 'refs'), { recursive: true });
  // No ref can end in ".lock", so none is mistaken for one.
  const refLocks = refs.filter((name) => name.endsWith('.lock')).map((name) => join('refs', name));
  for (const name of [...rootLocks, ...refLocks]) {
    const path = join(repositoryPath, name);
    const time = await modifiedAt(path);
    if (time !== undefined && Date.now() - time > staleAfterMs) await rm(path, { force: true });
  }
}
