import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  access,
  cp,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type ArtifactDescriptor, artifactFiles } from '../../core/artifact.ts';
import { TowlineError } from '../../core/errors.ts';
import { resolveInside } from '../context/repository-path.ts';

const temporary = '.new-';
const maxEntries = 500_000;
const smallFile = 1024 * 1024;
const digestForm = /^sha256:([0-9a-f]{64})$/;

/** Folders of files that are named by their content: `<dir>/<64 hex>/{artifact.json,root/}`. */
export interface ArtifactStore {
  /** Takes the folder's content (the folder itself stays, empty) and says under which digest it lies. */
  put(contentDir: string, descriptor: ArtifactDescriptor, signal: AbortSignal): Promise<StoredArtifact>;
  has(digest: string): Promise<boolean>;
}

export interface StoredArtifact {
  digest: string;
  sizeBytes: number;
}

/** Opens the store and clears away what a killed process left half-done. */
export async function openArtifactStore(dir: string, maxBytes: number): Promise<ArtifactStore> {
  await mkdir(dir, { recursive: true });
  for (const name of await readdir(dir)) {
    if (name.startsWith(temporary)) await removeTree(join(dir, name));
  }
  const has = async (digest: string): Promise<boolean> => {
    const hex = digestForm.exec(digest)?.[1];
    if (hex === undefined || !(await exists(join(dir, hex, artifactFiles.descriptor)))) return false;
    // Wanted again: the sweep of old artifacts must see it as new until a manifest names it.
    const now = new Date();
    await utimes(join(dir, hex), now, now).catch(() => undefined);
    return true;
  };
  return {
    has,
    async put(contentDir, descriptor, signal) {
      const making = join(dir, temporary + randomUUID());
      try {
        const root = join(making, artifactFiles.root);
        await mkdir(root, { recursive: true });
        await moveEntries(contentDir, root);
        const stored = await measure(root, descriptor, maxBytes, signal);
        await writeDurably(
          join(making, artifactFiles.descriptor),
          `${JSON.stringify(descriptor, null, 2)}\n`,
        );
        await publish(making, join(dir, stored.digest.slice(7)), () => has(stored.digest));
        return stored;
      } finally {
        await removeTree(making);
      }
    },
  };
}

/** Moving is a matter of microseconds however many files a build has installed; across file systems it is a copy. */
async function moveEntries(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    try {
      await rename(join(from, name), join(to, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      await cp(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true });
    }
  }
}

interface Measure {
  root: string;
  listing: ReturnType<typeof createHash>;
  sizeBytes: number;
  entries: number;
  maxBytes: number;
  signal: AbortSignal;
}

async function measure(
  root: string,
  descriptor: ArtifactDescriptor,
  maxBytes: number,
  signal: AbortSignal,
): Promise<StoredArtifact> {
  const listing = createHash('sha256');
  listing.update(`towline artifact 1\n${JSON.stringify(canonical(descriptor))}\n`);
  const measuring: Measure = { root, listing, sizeBytes: 0, entries: 0, maxBytes, signal };
  await measureFolder(measuring, '');
  return { digest: `sha256:${listing.digest('hex')}`, sizeBytes: measuring.sizeBytes };
}

/** With its keys in one order, so that the same descriptor has the same text. */
function canonical(descriptor: ArtifactDescriptor): unknown[] {
  const environment = Object.entries(descriptor.environment).sort(([a], [b]) => (a < b ? -1 : 1));
  return [descriptor.version, descriptor.language, descriptor.mode, descriptor.command, environment];
}

async function measureFolder(measuring: Measure, folder: string): Promise<void> {
  measuring.signal.throwIfAborted();
  const names = (await readdir(join(measuring.root, folder))).sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    measuring.entries += 1;
    if (measuring.entries > maxEntries) {
      throw new TowlineError('build_failed', `the build made more than ${maxEntries} files`);
    }
    const path = folder === '' ? name : `${folder}/${name}`;
    // One JSON array a line: no name can look like the line of another file.
    measuring.listing.update(`${JSON.stringify(await measureEntry(measuring, path))}\n`);
  }
}

async function measureEntry(measuring: Measure, path: string): Promise<string[]> {
  const full = join(measuring.root, path);
  const stats = await lstat(full);
  if (stats.isDirectory()) {
    await measureFolder(measuring, path);
    return ['folder', path];
  }
  if (stats.isSymbolicLink()) return ['link', path, await checkedLink(measuring.root, path)];
  if (!stats.isFile())
    throw new TowlineError('build_failed', `the build made "${path}", which is no plain file`);
  measuring.sizeBytes += stats.size;
  if (measuring.sizeBytes > measuring.maxBytes) {
    const limit = Math.floor(measuring.maxBytes / 1_000_000);
    throw new TowlineError('build_failed', `what was built is larger than ${limit} MB`, {
      hint: 'leave out what the function does not need when it runs',
    });
  }
  const mode = (stats.mode & 0o100) === 0 ? 'plain' : 'executable';
  return ['file', path, mode, await hashFile(full, stats.size)];
}

async function checkedLink(root: string, path: string): Promise<string> {
  const resolved = await resolveInside(root, path);
  if (!resolved.found && resolved.why !== 'missing') {
    throw new TowlineError(
      'path_escapes',
      `the build made the symbolic link "${path}", which leads out of it`,
    );
  }
  return readlink(join(root, path));
}

async function hashFile(path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  if (size <= smallFile) return hash.update(await readFile(path)).digest('hex');
  for await (const chunk of createReadStream(path, { highWaterMark: smallFile })) hash.update(chunk);
  return hash.digest('hex');
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Whoever comes second with the same content finds the folder taken, by the same content. One without a
 * descriptor is what an interrupted removal has left; it makes room.
 */
async function publish(from: string, to: string, isWhole: () => Promise<boolean>): Promise<void> {
  if (await renamed(from, to)) return;
  if (await isWhole()) return;
  await removeTree(to);
  if (!(await renamed(from, to)) && !(await isWhole())) {
    throw new TowlineError('internal', `the artifact folder ${to} cannot be replaced`);
  }
}

/** `false`: there is something already. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    return false;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function removeTree(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
