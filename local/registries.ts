import type { AuthConfig } from 'dockerode';
import {
  createFolderRegistryAccess,
  createHttpImageRegistry,
  type ImageRegistry,
  parseRegistryPattern,
} from '../builder/index.ts';

export interface Registries extends AsyncDisposable {
  registry: ImageRegistry;
  /** For a pull in the name of an owner; `undefined`: anonymously. */
  credentials(ownerId: string, registry: string): Promise<AuthConfig | undefined>;
}

/** Registries that functions may come from; `dir` holds the credentials for them. */
export function openRegistries(dir: string, patterns: readonly string[]): Registries {
  const allowed = patterns.flatMap((text) => parseRegistryPattern(text) ?? []);
  const access = createFolderRegistryAccess({ dir, allowed });
  const registry = createHttpImageRegistry(access);
  return {
    registry,
    async credentials(ownerId, host) {
      const found = (await access.of(ownerId)).credentials(host);
      if (!found) return undefined;
      const serveraddress = host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
      if (found.type === 'password') {
        const { username, password } = found;
        return { username, password, serveraddress };
      }
      return { username: '', password: '', identitytoken: found.token, serveraddress };
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}
