import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

export type Encoding = 'br' | 'gzip' | 'identity';

export interface WebFile {
  /** Of the plain content; without quotes. */
  tag: string;
  /** Compressed once, when first asked for. */
  content(encoding: Encoding): Promise<Buffer>;
}

/** The built dashboard in memory: what isn't in the folder cannot be asked for, whatever the path says. */
export interface WebFiles {
  /** By its path in the URL, as `/assets/index-1a2b.js`. */
  file(path: string): Promise<WebFile | undefined>;
  /** `undefined`: the dashboard isn't built. Reads the folder again when it was built anew. */
  index(): Promise<string | undefined>;
}

const maxFiles = 2_000;
/** Smaller files gain nothing. */
export const minCompressedBytes = 512;
/** Fast enough for the first request, and all later ones have it from memory. */
const brotliQuality = 9;

export function createWebFiles(folder: string): WebFiles {
  let files = new Map<string, WebFile>();
  let builtAt: number | undefined;
  let loading: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const changedAt = await modifiedAt(join(folder, 'index.html'));
    if (changedAt === builtAt) return;
    files = changedAt === undefined ? new Map() : await readFolder(folder);
    builtAt = changedAt;
  }

  const refreshOnce = () => {
    loading ??= refresh().finally(() => {
      loading = undefined;
    });
    return loading;
  };

  return {
    async file(path) {
      if (builtAt === undefined || !files.has(path)) await refreshOnce();
      return files.get(path);
    },
    async index() {
      await refreshOnce();
      return (await files.get('/index.html')?.content('identity'))?.toString('utf8');
    },
  };
}

async function modifiedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readFolder(folder: string): Promise<Map<string, WebFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = new Map<string, WebFile>();
  for (const path of paths.slice(0, maxFiles)) {
    files.set(`/${relative(folder, path).split(sep).join('/')}`, webFile(await readFile(path)));
  }
  return files;
}

function webFile(bytes: Buffer): WebFile {
  const compressed = new Map<Encoding, Promise<Buffer>>();
  return {
    tag: createHash('sha256').update(bytes).digest('base64url').slice(0, 27),
    content(encoding) {
      const known = compressed.get(encoding) ?? compress(bytes, encoding);
      compressed.set(encoding, known);
      return known;
    },
  };
}

/** Asynchronous: a big page must not hold up other requests. */
export async function compress(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'gzip') return await promisify(gzip)(bytes);
  if (encoding === 'identity') return bytes;
  const params = { [constants.BROTLI_PARAM_QUALITY]: brotliQuality };
  return await promisify(brotliCompress)(bytes, { params });
}

/** Whether the file's kind and size gain from compression. */
export function worthCompressing(path: string, size: number): boolean {
  return size >= minCompressedBytes && /\.(?:html|js|css|svg|json|map|txt|webmanifest)$/.test(path);
}
