import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, readlink } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';

const maxDepth = 256;
/** Bytes that are held of a file at a time. */
const maxPiece = 256 * 1024;

/**
 * What a build context holds, as `sha256:<64 hex>`: names, kinds, executable bits, contents and link targets, in the
 * order of the names' bytes. Times, owners and the other mode bits don't count. Nobody may write to it meanwhile.
 */
export async function contextDigest(dir: string): Promise<string> {
  const hash = createHash('sha256');
  await addFolder(hash, Buffer.from(dir), 0);
  return `sha256:${hash.digest('hex')}`;
}

/** Every field is of fixed length or led by its length, so that no two trees give the same bytes. */
async function addFolder(hash: Hash, dir: Buffer, depth: number): Promise<void> {
  if (depth > maxDepth) {
    throw new TowlineError('context_too_large', `the context is nested more than ${maxDepth} folders deep`);
  }
  // As bytes: names that are not UTF-8 would all read the same.
  const entries = await readdir(dir, { withFileTypes: true, encoding: 'buffer' });
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const entry of entries) {
    const path = Buffer.concat([dir, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) {
      addField(hash, 'd', entry.name);
      await addFolder(hash, path, depth + 1);
    } else if (entry.isSymbolicLink()) {
      addField(hash, 'l', entry.name);
      addField(hash, '=', await readlink(path, { encoding: 'buffer' }));
    } else if (entry.isFile()) await addFile(hash, entry.name, path);
    else {
      const name = JSON.stringify(entry.name.toString());
      throw new TowlineError('build_failed', `${name} is neither a file, a folder nor a link`);
    }
  }
  hash.update('/');
}

function addField(hash: Hash, kind: string, bytes: Buffer): void {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  hash.update(kind).update(length).update(bytes);
}

async function addFile(hash: Hash, name: Buffer, path: Buffer): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { mode } = await file.stat();
    addField(hash, (mode & 0o100) === 0 ? 'f' : 'x', name);
    const content = createHash('sha256');
    const buffer = Buffer.allocUnsafe(maxPiece);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      content.update(buffer.subarray(0, bytesRead));
    }
    hash.update(content.digest());
  } finally {
    await file.close();
  }
}
