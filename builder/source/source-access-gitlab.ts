import { readFile } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { basicAuthorization, hostEnvironment } from './host-credentials.ts';
import { knownHeads } from './known-heads.ts';
import { isBelow, locationUrl, parseRepositoryUrl } from './repository-url.ts';
import type { KnownRepository, SourceAccess } from './source-access.ts';
import { parseSourceHost } from './source-access-git.ts';

/** A project or group access token with `read_repository`, for what lies below a path. */
export interface GitLabTokenFile {
  /** `group/subgroup` or `group/project`; empty for everything. */
  path: string;
  /** Read at each fetch, so that it may be rotated. */
  file: string;
}

export interface GitLabSourceAccessConfig {
  /** `https://gitlab.com`, or an installation of one's own, also below a path. */
  webUrl: string;
  tokens: readonly GitLabTokenFile[];
  /** `PATH` of the git processes. */
  path: string;
  onUnreachable?: ((known: KnownRepository, error: unknown) => void) | undefined;
}

const maxTokenBytes = 1000;

/** Throws `remote_unavailable`, which names the file and nothing of what is in it. */
export async function readGitLabToken(file: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new TowlineError('remote_unavailable', `the token in ${file} cannot be read`, { cause: error });
  }
  if (token === '' || token.length > maxTokenBytes || /[\s\p{Cc}]/u.test(token)) {
    throw new TowlineError('remote_unavailable', `${file} does not hold one token`);
  }
  return token;
}

/**
 * Repositories on GitLab: each is fetched with the token of the longest path that it lies below, and anonymously if there
 * is none. Tokens go to the configured host only, whatever host an event names.
 */
export function createGitLabSourceAccess(config: GitLabSourceAccessConfig): SourceAccess {
  const base = parseSourceHost(config.webUrl);
  const tokens = config.tokens
    .map(({ path, file }) => ({ file, path: `/${path.toLowerCase()}/`.replaceAll(/\/+/g, '/') }))
    .sort((a, b) => b.path.length - a.path.length);

  const access: SourceAccess = {
    async locate(repository, { scm }) {
      const url = parseRepositoryUrl(repository.cloneUrl);
      if (url === undefined || scm !== 'gitlab' || !isBelow(url, base)) {
        const name = `${repository.owner}/${repository.name}`;
        throw new TowlineError('source_unavailable', `the repository ${name} is not on ${base.host}`);
      }
      const project = `${url.path
        .slice(base.path.length)
        .replace(/\.git$/, '')
        .toLowerCase()}/`;
      const found = tokens.find(({ path }) => project.startsWith(path));
      // GitLab takes any user name with such a token.
      const authorization = found && basicAuthorization('oauth2', await readGitLabToken(found.file));
      return { url: locationUrl(url, base), env: hostEnvironment(base, { authorization }) };
    },
    heads: (isDeployed, { known, onNoAnswer, signal }) =>
      knownHeads({
        ...{ isDeployed, onNoAnswer, signal, path: config.path, locate: access.locate },
        known: known.filter(({ scm }) => scm === 'gitlab'),
        onUnreachable: config.onUnreachable ?? (() => {}),
      }),
  };
  return access;
}
