import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolveInside } from '../context/repository-path.ts';

/** The largest YAML file that is read from a repository, in bytes. */
export const maxYamlBytes = 262_144;

export type RepositoryFile =
  | { text: string }
  | {
      text?: undefined;
      why: 'missing' | 'escapes' | 'loops' | 'git' | 'no file' | 'too large' | 'not UTF-8';
    };

/** Reads a small text file of a repository, following only links that stay inside it. */
export async function readRepositoryFile(root: string, path: string): Promise<RepositoryFile> {
  const resolved = await resolveInside(root, path);
  if (!resolved.found) return { why: resolved.why };
  // Non-blocking: opening a named pipe would wait for its writer.
  const handle = await open(
    resolved.path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENXIO' || error.code === 'EISDIR') return undefined;
    throw error;
  });
  if (!handle) return { why: 'no file' };
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return { why: 'no file' };
    if (stats.size > maxYamlBytes) return { why: 'too large' };
    const buffer = Buffer.alloc(Math.min(stats.size, maxYamlBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead)) };
  } catch (error) {
    if (error instanceof TypeError) return { why: 'not UTF-8' };
    throw error;
  } finally {
    await handle.close();
  }
}

/** The same in words, after "…". */
export function whyUnreadable(file: Exclude<RepositoryFile, { text: string }>): string {
  const words = {
    missing: 'is not in the repository',
    escapes: 'leads out of the repository',
    loops: 'is a symbolic link that leads in a circle',
    git: "lies in git's own folder",
    'no file': 'is not a plain file',
    'too large': `is larger than ${maxYamlBytes / 1024} kB`,
    'not UTF-8': 'is not UTF-8 text',
  };
  return words[file.why];
}
