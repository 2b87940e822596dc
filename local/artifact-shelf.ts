import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where what was built lies: folders of artifacts, or images in an engine. */
export interface ArtifactShelf {
  /** Everything that is ours to remove: 64 hexadecimal digits, and when it was last wanted (milliseconds since the epoch). */
  list(): Promise<ShelvedArtifact[]>;
  /** Rejects if it stays, for instance since it is in use. */
  remove(name: string): Promise<void>;
  /** Finishes what an earlier removal has left half-done. */
  tidy(signal: AbortSignal): Promise<void>;
}

export interface ShelvedArtifact {
  name: string;
  wantedAt: number;
}

const artifactFolder = /^[0-9a-f]{64}$/;
/** A folder under this name is on its way out, whoever began to remove it. */
const removing = '.removing-';

/** `<dir>/<64 hex>` folders; their time is the last time that a build wanted them. */
export function createFolderShelf(dir: string): ArtifactShelf {
  const removeTree = (name: string) => rm(join(dir, name), { recursive: true, force: true, maxRetries: 3 });
  return {
    async list() {
      const names = (await readdir(dir)).filter((name) => artifactFolder.test(name));
      const found: ShelvedArtifact[] = [];
      for (const name of names) {
        const stats = await stat(join(dir, name)).catch(() => undefined);
        if (stats !== undefined) found.push({ name, wantedAt: stats.mtimeMs });
      }
      return found;
    },
    async remove(name) {
      // In one step out of the store, so that nobody finds half an artifact under its name.
      const leaving = `${removing}${name}-${randomUUID()}`;
      await rename(join(dir, name), join(dir, leaving));
      // What cannot be removed now still takes up space, and is tried again.
      await removeTree(leaving).catch(() => undefined);
    },
    async tidy(signal) {
      for (const name of (await readdir(dir)).filter((one) => one.startsWith(removing))) {
        signal.throwIfAborted();
        await removeTree(name);
      }
    },
  };
}
