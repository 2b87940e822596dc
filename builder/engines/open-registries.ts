import type { AuthConfig } from 'dockerode';
import type { ImageRegistry } from '../../runtime/registry/image-registry.ts';
import { createHttpImageRegistry } from '../../runtime/registry/image-registry-http.ts';
import { createFolderRegistryAccess } from '../../runtime/registry/registry-access-folder.ts';
import { parseRegistryPattern, type RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import type { PullLogin } from './registry-logins.ts';

export interface Registries extends AsyncDisposable {
  registry: ImageRegistry;
  /** For a pull in the name of an owner; `undefined`: anonymously. */
  credentials(ownerId: string, registry: string): Promise<AuthConfig | undefined>;
  /** For base images of an owner's builds, by registry. */
  logins(ownerId: string): Promise<Record<string, PullLogin>>;
  /** What an owner's functions and builds may use. */
  allowed(ownerId: string): Promise<readonly RegistryPattern[]>;
}

/** Registries that functions may come from; `dir` holds the credentials for them. */
export function openRegistries(dir: string, patterns: readonly string[]): Registries {
  const allowed = patterns.flatMap((text) => parseRegistryPattern(text) ?? []);
  const access = createFolderRegistryAccess({ dir, allowed });
  const registry = createHttpImageRegistry(access);
  return {
    registry,
    allowed: async (ownerId) => (await access.of(ownerId)).allowed,
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
    async logins(ownerId) {
      const owner = await access.of(ownerId);
      const logins: Record<string, PullLogin> = {};
      for (const host of new Set(owner.allowed.map(({ registry: one }) => one))) {
        const found = owner.credentials(host);
        if (found?.type === 'password') {
          logins[host] = { username: found.username, password: found.password };
        } else if (found) logins[host] = { identitytoken: found.token };
      }
      return logins;
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}
