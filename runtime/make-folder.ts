import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes the folder, and those above it that are missing, for its owner alone. One after another: with `recursive` Node
 * tries for ever, and hears no signal meanwhile, where a file system says of a new folder that it is not there, as /proc
 * does. Throws the file system's error.
 */
export function makeFolder(path: string): void {
  const at = resolve(path);
  if (statSync(at, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(at);
  // What is there and is no folder is left to the file system to say.
  if (statSync(above, { throwIfNoEntry: false }) === undefined) makeFolder(above);
  try {
    mkdirSync(at, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(at).isDirectory()) throw error;
  }
}
