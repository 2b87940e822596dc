import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

const maxLinks = 40;

/**
 * A path as a repository's own files write it, made plain (`./a//b/` is `a/b`, the root is `.`); `undefined`
 * if it is absolute, has a `..`, or holds characters that no portable path has.
 */
export function plainRelativePath(text: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (text === '' || text.startsWith('/') || /[\\\u0000-\u001f\u007f]/.test(text)) return undefined;
  const segments = text.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) return undefined;
  return segments.length === 0 ? '.' : segments.join('/');
}

export type Resolution =
  | { found: true; path: string; segments: string[] }
  | { found: false; why: 'missing' | 'escapes' | 'loops' | 'git' };

/**
 * Follows every symbolic link of `path` by hand, one segment at a time, so that nothing outside `root` is even
 * looked at. `root` must be a real path. Git's own folder counts as outside: it may hold more than was pushed.
 */
export async function resolveInside(root: string, path: string): Promise<Resolution> {
  const pending = path.split('/').reverse();
  const current: string[] = [];
  let links = 0;
  for (let segment = pending.pop(); segment !== undefined; segment = pending.pop()) {
    const stepped = stepWithoutLooking(current, segment);
    if (stepped === 'done') continue;
    if (stepped) return { found: false, why: stepped };
    const target = await linkTarget(join(root, ...current, segment));
    if (target === 'missing') return { found: false, why: 'missing' };
    if (target === undefined) {
      current.push(segment);
      continue;
    }
    links += 1;
    if (links > maxLinks) return { found: false, why: 'loops' };
    if (target.text.startsWith('/')) return { found: false, why: 'escapes' };
    pending.push(...target.text.split('/').reverse());
  }
  return { found: true, path: join(root, ...current), segments: current };
}

/** `current` holds no links, so `..` is its parent. `undefined`: the segment has to be looked at. */
function stepWithoutLooking(current: string[], segment: string): 'done' | 'escapes' | 'git' | undefined {
  if (segment === '' || segment === '.') return 'done';
  if (segment === '..') return current.pop() === undefined ? 'escapes' : 'done';
  return segment.toLowerCase() === '.git' ? 'git' : undefined;
}

/** `undefined`: there, and no link. */
async function linkTarget(path: string): Promise<{ text: string } | 'missing' | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isSymbolicLink() ? { text: await readlink(path) } : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return 'missing';
    throw error;
  }
}
