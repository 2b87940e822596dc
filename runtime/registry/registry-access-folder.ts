import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { credentialsIn, DockerConfig } from './docker-config.ts';
import type { OwnerRegistries, RegistryAccess } from './registry-access.ts';
import { parseRegistryPattern, type RegistryPattern } from './registry-pattern.ts';

export interface RegistryFolder {
  /** `config.json`, and for one owner `<owner id>/config.json` and `<owner id>/registries.json`; need not exist. */
  dir: string;
  /** What owners without a `registries.json` may use. */
  allowed: RegistryPattern[];
}

const maxBytes = 1_000_000;
/** An owner id as it may name a folder: one segment that leads nowhere else. */
const folderName = /^[A-Za-z0-9_-]{1,100}$/;
const noConfig: DockerConfig = { auths: {}, credHelpers: {} };

const Patterns = z
  .array(z.string().max(300))
  .max(1000)
  .transform((texts, context) =>
    texts.map((text) => {
      const pattern = parseRegistryPattern(text);
      if (!pattern) context.addIssue(`${JSON.stringify(text)} is no registry`);
      return pattern ?? { scheme: 'https' as const, registry: '', folder: [] };
    }),
  );

function invalid(path: string, cause: unknown): TowlineError {
  return new TowlineError('config_invalid', "the installation's registry configuration cannot be read", {
    hint: 'an operator finds the cause in the log of the platform',
    cause: new Error(path, { cause }),
  });
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(path, error);
  }
}

/** Read anew for every question, so that a change of a file counts at once. */
export function createFolderRegistryAccess({ dir, allowed }: RegistryFolder): RegistryAccess {
  return {
    async of(ownerId): Promise<OwnerRegistries> {
      if (!folderName.test(ownerId)) return { allowed, credentials: () => undefined };
      const [shared, own, ownAllowed] = await Promise.all([
        readJson(join(dir, 'config.json'), DockerConfig),
        readJson(join(dir, ownerId, 'config.json'), DockerConfig),
        readJson(join(dir, ownerId, 'registries.json'), Patterns),
      ]);
      return {
        allowed: ownAllowed ?? allowed,
        credentials: (registry) =>
          credentialsIn(own ?? noConfig, registry) ?? credentialsIn(shared ?? noConfig, registry),
      };
    },
  };
}
