import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { credentialsIn, DockerConfig } from '../../runtime/registry/docker-config.ts';
import type { RegistryCredentials } from '../../runtime/registry/registry-access.ts';

/** As Docker and BuildKit take it. */
export type PullLogin = { username: string; password: string } | { identitytoken: string };

/** What the operator's folder with Docker's `config.json` holds for a registry. Throws `engine_unavailable`. */
export async function operatorCredentials(
  dir: string | undefined,
  registry: string,
): Promise<RegistryCredentials | undefined> {
  if (dir === undefined) return undefined;
  try {
    const config = DockerConfig.parse(JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')));
    return credentialsIn(config, registry);
  } catch (cause) {
    if (cause instanceof TowlineError) throw cause;
    throw new TowlineError('engine_unavailable', "the builder's registry credentials cannot be read", {
      cause,
    });
  }
}

export function loginOf(credentials: RegistryCredentials | undefined): PullLogin | undefined {
  if (!credentials) return undefined;
  if (credentials.type === 'refresh-token') return { identitytoken: credentials.token };
  return { username: credentials.username, password: credentials.password };
}

/** The `auths` of a `config.json` for the docker command and for `buildctl`: logins by registry. */
export function authsOf(logins: Readonly<Record<string, PullLogin>>): Record<string, DockerAuth> {
  return Object.fromEntries(
    Object.entries(logins).map(([registry, login]) => [configKey(registry), authOf(login)]),
  );
}

type DockerAuth = { auth: string } | { identitytoken: string };

/** The docker command reads no `username` and `password`, only both as one. */
function authOf(login: PullLogin): DockerAuth {
  if ('identitytoken' in login) return login;
  return { auth: Buffer.from(`${login.username}:${login.password}`).toString('base64') };
}

/** Docker's own name for its public registry. */
function configKey(registry: string): string {
  return registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
}
