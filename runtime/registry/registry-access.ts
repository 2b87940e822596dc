import type { RegistryPattern } from './registry-pattern.ts';

/** How an owner proves who it is to one registry. */
export type RegistryCredentials =
  | { type: 'password'; username: string; password: string }
  /** What a registry's login gave instead of a password; traded for a short-lived token. */
  | { type: 'refresh-token'; token: string };

/** What one owner may pull, and as whom. */
export interface OwnerRegistries {
  allowed: RegistryPattern[];
  /** `undefined`: anonymously. Throws `config_invalid` if there are credentials that cannot be read. */
  credentials(registry: string): RegistryCredentials | undefined;
}

/** Which registries each owner may use. Set by operators alone. Adapter: a folder. */
export interface RegistryAccess {
  of(ownerId: string): Promise<OwnerRegistries>;
}
