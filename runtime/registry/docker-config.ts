import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { RegistryCredentials } from './registry-access.ts';

const Login = z.object({
  /** Base64 of `user:password`. */
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});

/** The parts of Docker's `config.json` that name credentials. Source: docker/cli, cli/config. */
export const DockerConfig = z.object({
  auths: z.record(z.string(), Login).default({}),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).default({}),
});
export type DockerConfig = z.infer<typeof DockerConfig>;

/** `https://index.docker.io/v1/` and `docker.io` are one registry; `undefined` for what names no whole registry. */
function registryOf(key: string): string | undefined {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  if (bare.includes('/')) return undefined;
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare.toLowerCase();
}

function helperRefused(registry: string): TowlineError {
  return new TowlineError(
    'config_invalid',
    `the credentials of ${registry} are kept by a credential helper, which Towline does not start`,
    { hint: 'write them to the "auths" of the config.json in the registries folder' },
  );
}

function decoded(login: z.infer<typeof Login>, registry: string): RegistryCredentials | undefined {
  if (login.identitytoken) return { type: 'refresh-token', token: login.identitytoken };
  const { username, password } = login;
  if (username && password) return { type: 'password', username, password };
  if (!login.auth) return undefined;
  const text = Buffer.from(login.auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw new TowlineError('config_invalid', `the credentials of ${registry} cannot be read`);
  return { type: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Throws `config_invalid` for credentials that are there but can't be used: pulling as nobody would only puzzle. */
export function credentialsIn(config: DockerConfig, registry: string): RegistryCredentials | undefined {
  const helped = Object.keys(config.credHelpers).some((key) => registryOf(key) === registry);
  if (helped) throw helperRefused(registry);
  for (const [key, login] of Object.entries(config.auths)) {
    if (registryOf(key) !== registry) continue;
    const found = decoded(login, registry);
    // With a store, `docker login` leaves an empty entry behind.
    if (!found && config.credsStore !== undefined) throw helperRefused(registry);
    return found;
  }
  return undefined;
}
