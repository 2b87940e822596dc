import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import type { ManifestRepository } from '../repository/manifest-repository.ts';

/** What Flux fetches. The same files give the same bytes, whenever they are packed. */
export interface TenantArchive {
  content: Buffer;
  /** `sha256:…` of the content. */
  digest: string;
  /** Files that stay out of it, because they would command Flux instead of being applied. */
  leftOut: string[];
}

/** More than one tenant's functions can be: a folder that is larger is not made by Towline. */
const maxFiles = 5_000;
const maxBytes = 32 * 1024 * 1024;
/** Names that kustomize and Flux take for their own instructions. */
const commands: ReadonlySet<string> = new Set([
  'kustomization.yaml',
  'kustomization.yml',
  'Kustomization',
  '.sourceignore',
]);

/** Whether a file of that name would be an instruction instead of being applied. */
export const isCommand = (name: string) => commands.has(name);

type Reader = Pick<ManifestRepository, 'list' | 'read'>;

/** Packs a folder as it is at a commit; one that isn't there is an empty archive, by which all is pruned. */
export async function packTenant(repository: Reader, commit: string, folder: string): Promise<TenantArchive> {
  const leftOut: string[] = [];
  const archive = await packed(folder, async (addFile) => {
    async function add(below: string): Promise<void> {
      for (const { name, type, id } of await repository.list(commit, `${folder}${below}`)) {
        const path = `${below}/${name}`;
        if (type === 'folder') await add(path);
        else if (isCommand(name)) leftOut.push(`${folder}${path}`);
        else addFile(path.slice(1), await repository.read(id));
      }
    }
    await add('');
  });
  return { ...archive, leftOut };
}

/** Packs one file, whose text has the id; `''` is an empty archive. In there it has a name that commands nobody. */
export async function packFile(
  repository: Pick<Reader, 'read'>,
  path: string,
  id: string,
): Promise<TenantArchive> {
  const archive = await packed(path, async (addFile) => {
    if (id !== '') addFile('manifests.yaml', await repository.read(id));
  });
  return { ...archive, leftOut: [] };
}

type AddFile = (name: string, text: string) => void;

async function packed(what: string, fill: (addFile: AddFile) => Promise<void>) {
  const packing = pack();
  const tar = buffer(packing);
  let files = 0;
  let bytes = 0;

  function addFile(name: string, text: string): void {
    files += 1;
    bytes += text.length;
    if (files > maxFiles || bytes > maxBytes) throw new Error(`${what} is too large to be applied`);
    packing.entry({ name, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, text);
  }

  try {
    await fill(addFile);
    packing.finalize();
  } catch (error) {
    packing.destroy();
    await tar.catch(() => {});
    throw error;
  }
  const content = await promisify(gzip)(await tar, { level: 6 });
  return { content, digest: `sha256:${createHash('sha256').update(content).digest('hex')}` };
}
