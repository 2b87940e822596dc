import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { type BuildSecrets, maxSecretBytes } from './build-secrets.ts';

/** As a key of a Kubernetes secret; no leading dot, so that neither `..` nor `..data` is one. */
const secretName = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}$/;

/**
 * One file per secret: `<dir>/<owner id>/<name>`, best with mode 0600. Kubernetes mounts secrets so, with each name a
 * link into a folder of the mount's own. One line end at the end of a file doesn't belong to the value.
 */
export function createFolderBuildSecrets(dir: string): BuildSecrets {
  return {
    async value(ownerId, name) {
      if (!secretName.test(ownerId) || !secretName.test(name)) return undefined;
      try {
        return await readBounded(join(dir, ownerId, name));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
        if (error instanceof TowlineError) throw error;
        throw new TowlineError('engine_unavailable', `the build secret "${name}" cannot be read`, {
          cause: error,
        });
      }
    },
  };
}

async function readBounded(path: string): Promise<string | undefined> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) return undefined;
  const bytes = Buffer.alloc(maxSecretBytes + 1);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  if (bytesRead > maxSecretBytes) {
    throw new TowlineError('policy_refused', `a build secret is larger than ${maxSecretBytes} bytes`);
  }
  return bytes.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
}
