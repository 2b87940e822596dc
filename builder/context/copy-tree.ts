import { constants, type Dirent } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import type { IgnoreRules } from './ignore-rules.ts';
import { resolveInside } from './repository-path.ts';

const maxDepth = 64;
const maxEntries = 100_000;
/** Bytes that are held of a file at a time. */
const maxPiece = 1024 * 1024;

/** What one context has used up; shared by all the trees copied into it. */
export interface CopyBudget {
  files: number;
  bytes: number;
  entries: number;
  readonly maxBytes: number;
}

export interface TreeCopy {
  /** A real path; nothing outside it is read, wherever links point. */
  root: string;
  budget: CopyBudget;
  /** Names the tree in messages: the function, or the template. */
  what: string;
  /** The line of the stack file that asked for it. */
  place: SourcePlace | undefined;
  /** The context's root, and what is left out of it. */
  ignore?: { root: string; rules: IgnoreRules } | undefined;
}

/** What an engine itself reads is there for it, even if a rule keeps it out of images. */
const alwaysKept = new Set(['Dockerfile', 'dockerfile', '.dockerignore', 'Dockerfile.dockerignore']);

function isDropped({ ignore }: TreeCopy, target: string): boolean {
  if (!ignore || target === ignore.root) return false;
  const path = target.slice(ignore.root.length + 1);
  return !alwaysKept.has(path) && ignore.rules.drops(path);
}

/** Where in the tree: `source` has been resolved and lies inside the root; `shown` is how the repository calls it. */
interface Position {
  source: string;
  shown: string;
  target: string;
  /** The real folders that lead here, to see a link that leads back. */
  trail: readonly string[];
}

/** Copies a folder's entries into `target`, over what is there. Links inside the root are followed, as faas-cli does. */
export async function copyFolder(
  copy: TreeCopy,
  position: Position,
  skip?: (name: string) => boolean,
): Promise<void> {
  if (position.trail.includes(position.source)) {
    throw refusal(copy, 'path_escapes', `${position.shown} is a link that leads back to its own parent`);
  }
  if (position.trail.length >= maxDepth) {
    throw refusal(
      copy,
      'context_too_large',
      `${position.shown} is nested more than ${maxDepth} folders deep`,
    );
  }
  // A folder that is left out may still hold something that is taken back in: the file makes its folder then.
  if (!isDropped(copy, position.target)) await makeFolder(position.target);
  const trail = [...position.trail, position.source];
  for (const entry of await readdir(position.source, { withFileTypes: true })) {
    if (entry.name.toLowerCase() === '.git' || skip?.(entry.name)) continue;
    const target = join(position.target, entry.name);
    if (copy.ignore?.rules.dropsWholeFolders && isDropped(copy, target)) continue;
    await copyEntry(copy, entry, {
      source: join(position.source, entry.name),
      shown: position.shown === '.' ? entry.name : `${position.shown}/${entry.name}`,
      target,
      trail,
    });
  }
}

/** Copies one file or folder that `resolveInside` has found. */
export async function copyResolved(copy: TreeCopy, position: Position): Promise<void> {
  const stats = await lstat(position.source);
  if (stats.isDirectory()) await copyFolder(copy, position);
  else if (stats.isFile()) await copyFile(copy, position);
  else throw special(copy, position);
}

async function copyEntry(copy: TreeCopy, entry: Dirent, position: Position): Promise<void> {
  countEntry(copy);
  // A name that is not UTF-8 comes with this mark, and opening it would find nothing.
  if (entry.name.includes('\ufffd'))
    throw refusal(copy, 'build_failed', `${position.shown} is not a UTF-8 name`);
  if (entry.isFile()) await copyFile(copy, position);
  else if (entry.isDirectory()) await copyFolder(copy, position);
  else if (entry.isSymbolicLink()) await copyLink(copy, position);
  else throw special(copy, position);
}

async function copyLink(copy: TreeCopy, position: Position): Promise<void> {
  const resolved = await resolveInside(copy.root, position.source.slice(copy.root.length + 1));
  if (resolved.found) return copyResolved(copy, { ...position, source: resolved.path });
  const link = `the symbolic link ${position.shown}`;
  if (resolved.why === 'missing')
    throw refusal(copy, 'build_failed', `${link} points to something that is not there`);
  if (resolved.why === 'loops') throw refusal(copy, 'build_failed', `${link} leads in a circle`);
  throw refusal(copy, 'path_escapes', `${link} leads out of the repository`);
}

async function copyFile(copy: TreeCopy, position: Position): Promise<void> {
  if (isDropped(copy, position.target)) return;
  // Neither following a link nor waiting for a pipe's writer, should the entry not be the file it was.
  const from = await open(position.source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await from.stat();
    if (!stats.isFile()) throw special(copy, position);
    copy.budget.files += 1;
    copy.budget.bytes += stats.size;
    if (copy.budget.bytes > copy.budget.maxBytes) throw tooLarge(copy, position);
    const mode = (stats.mode & 0o777) | 0o600;
    const to = await openTarget(position.target, mode);
    try {
      await copyContent(from, to, stats.size);
      await to.chmod(mode);
    } finally {
      await to.close().catch(() => {});
    }
  } finally {
    await from.close().catch(() => {});
  }
}

/** Never more than the size that was counted, should the file grow meanwhile. */
async function copyContent(from: FileHandle, to: FileHandle, size: number): Promise<void> {
  if (size === 0) return;
  const buffer = Buffer.allocUnsafe(Math.min(size, maxPiece));
  for (let position = 0; position < size; ) {
    const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, size - position), position);
    if (bytesRead === 0) return;
    await to.writeFile(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

/** The user's file takes the place of whatever the template has there. */
async function openTarget(path: string, mode: number): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return await open(path, flags, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') await makeFolder(dirname(path));
    else if (code !== 'EEXIST') throw error;
    await rm(path, { recursive: true, force: true });
    return open(path, flags, mode);
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
    await rm(path, { force: true });
    await mkdir(path, { recursive: true });
  }
}

function countEntry(copy: TreeCopy): void {
  copy.budget.entries += 1;
  if (copy.budget.entries > maxEntries) {
    throw refusal(copy, 'context_too_large', `${copy.what} has more than ${maxEntries} files and folders`);
  }
}

function tooLarge(copy: TreeCopy, position: Position): TowlineError {
  const limit = `${Math.floor(copy.budget.maxBytes / 1_000_000)} MB`;
  return new TowlineError(
    'context_too_large',
    `the files of ${copy.what} are more than the ${limit} that a build may have, at ${position.shown}`,
    { place: copy.place, hint: 'leave large files and installed dependencies out of the handler folder' },
  );
}

function special(copy: TreeCopy, position: Position): TowlineError {
  return refusal(copy, 'build_failed', `${position.shown} is neither a file, a folder nor a link`);
}

function refusal(
  copy: TreeCopy,
  code: 'path_escapes' | 'build_failed' | 'context_too_large',
  message: string,
) {
  return new TowlineError(code, message, { place: copy.place });
}
