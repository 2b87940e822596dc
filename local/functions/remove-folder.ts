import { chmod, readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Removes a folder that a program had for itself, if it is there: also where the program has closed folders in it
 * to everybody, its own user included. Links are removed, never followed.
 */
export async function removeFolder(folder: string): Promise<void> {
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 2 });
  await remove().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
    await openFolders(folder);
    await remove();
  });
}

async function openFolders(root: string): Promise<void> {
  const closed = [root];
  for (let folder = closed.pop(); folder !== undefined; folder = closed.pop()) {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) closed.push(path.join(folder, entry.name));
    }
  }
}
