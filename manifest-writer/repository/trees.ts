import { createBoundedCache } from './bounded-cache.ts';
import { DamagedCopyError, type FolderEntry } from './manifest-repository.ts';
import type { ObjectReader } from './object-reader-git.ts';

/** Entries of folders that are kept parsed: planning a batch reads the same folders again and again. */
const maxCachedEntries = 200_000;

type Folder = ReadonlyMap<string, FolderEntry>;

/** Reads folders by walking tree objects, so that "no such file" and "object lost" are never confused. */
export function createTreeReader(objects: ObjectReader) {
  const cache = createBoundedCache<Folder>(maxCachedEntries, (one) => one.size + 1);

  async function folder(id: string): Promise<Folder> {
    const cached = cache.get(id);
    if (cached) return cached;
    const object = await objects.read(id);
    if (object?.type !== 'tree') throw new DamagedCopyError(`tree ${id} is missing`);
    const entries = parseTree(object.content);
    cache.set(id, entries);
    return entries;
  }

  return {
    /** `undefined`: the path isn't a folder at this commit. */
    async folderAt(treeId: string, path: string): Promise<Folder | undefined> {
      let current = await folder(treeId);
      for (const part of path.split('/').filter((name) => name !== '' && name !== '.')) {
        const entry = current.get(part);
        if (entry?.type !== 'folder') return undefined;
        current = await folder(entry.id);
      }
      return current;
    },
  };
}

const idBytes = 20;

/** The body of a tree object: `<mode> <name>\0<id>` over and over. Links and submodules are left out. */
function parseTree(content: Buffer): Folder {
  const entries = new Map<string, FolderEntry>();
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(32, at);
    const end = content.indexOf(0, space);
    if (space < 0 || end < 0) throw new DamagedCopyError('a tree object cannot be read');
    const mode = content.toString('latin1', at, space);
    const name = content.toString('utf8', space + 1, end);
    const start = end + 1;
    at = start + idBytes;
    const type = mode === '40000' ? 'folder' : mode.startsWith('100') ? 'file' : undefined;
    if (type) entries.set(name, new TreeEntry(name, type, content, start));
  }
  return entries;
}

/** Of a folder's many entries few are looked at, and writing out an id is the slow part. */
class TreeEntry implements FolderEntry {
  readonly name: string;
  readonly type: FolderEntry['type'];
  readonly #content: Buffer;
  readonly #start: number;

  constructor(name: string, type: FolderEntry['type'], content: Buffer, start: number) {
    this.name = name;
    this.type = type;
    this.#content = content;
    this.#start = start;
  }

  get id(): string {
    return this.#content.toString('hex', this.#start, this.#start + idBytes);
  }
}
