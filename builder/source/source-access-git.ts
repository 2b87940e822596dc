import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import {
  credentialsFolderName,
  type HostCredentials,
  hostEnvironment,
  readHostCredentials,
} from './host-credentials.ts';
import { knownHeads } from './known-heads.ts';
import { isBelow, locationUrl, parseRepositoryUrl, type RepositoryUrl } from './repository-url.ts';
import type { KnownRepository, SourceAccess } from './source-access.ts';

export interface GitSourceAccessConfig {
  /** Base URLs: `https://git.example.org`, `https://git.example.org/team`, `ssh://git@git.example.org:2222`. */
  hosts: readonly string[];
  /** Holds one folder for each host, named by `credentialsFolderName`; without it nobody is anybody. */
  credentialsDir?: string | undefined;
  /** `PATH` of the git processes. */
  path: string;
  /** A repository whose heads could not be asked for. */
  onUnreachable?: ((known: KnownRepository, error: unknown) => void) | undefined;
}

/** Throws `config_invalid`. */
export function parseSourceHost(text: string): RepositoryUrl {
  const base = parseRepositoryUrl(text);
  if (base) return base;
  throw new TowlineError('config_invalid', `"${text}" is not an http, https or ssh URL of a host`, {
    hint: 'write it as https://git.example.org or ssh://git@git.example.org, without credentials',
  });
}

/**
 * Plain git on configured hosts. A repository is fetched from its own clone URL if that lies on one of them, and
 * nothing else: no event can lead a fetch, or a secret, to another host.
 */
export function createGitSourceAccess(config: GitSourceAccessConfig): SourceAccess {
  const bases = config.hosts.map(parseSourceHost);
  const { credentialsDir, path } = config;

  async function credentialsOf(base: RepositoryUrl): Promise<HostCredentials> {
    if (credentialsDir === undefined) return {};
    return readHostCredentials(join(credentialsDir, credentialsFolderName(base)));
  }

  const access: SourceAccess = {
    async locate(repository) {
      const url = parseRepositoryUrl(repository.cloneUrl);
      // The longest path wins, should several lie on one host.
      const [base] = bases
        .filter((each) => url !== undefined && isBelow(url, each))
        .sort((a, b) => b.path.length - a.path.length);
      if (url === undefined || base === undefined) {
        const name = `${repository.owner}/${repository.name}`;
        throw new TowlineError(
          'source_unavailable',
          `the repository ${name} is on no host of this platform`,
          {
            hint: 'the hosts are listed in TOWLINE_SOURCE_HOSTS',
          },
        );
      }
      return { url: locationUrl(url, base), env: hostEnvironment(base, await credentialsOf(base)) };
    },
    heads: (isDeployed, { known, onNoAnswer, signal }) =>
      knownHeads({
        ...{ isDeployed, onNoAnswer, signal, path, locate: access.locate },
        known: known.filter(({ scm }) => scm === 'git'),
        onUnreachable: config.onUnreachable ?? (() => {}),
      }),
  };
  return access;
}
