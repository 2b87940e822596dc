import type { ConfigOf } from '../../runtime/config.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { sourceSettings } from '../config.ts';
import type { ForgeSettings, Forges } from '../forge-settings.ts';
import type { KnownRepository, SourceAccess } from './source-access.ts';
import { createSourceAccessByForge } from './source-access-by-forge.ts';
import { createGitSourceAccess } from './source-access-git.ts';
import { createGitHubSourceAccess } from './source-access-github.ts';
import { createGitLabSourceAccess, type GitLabTokenFile, readGitLabToken } from './source-access-gitlab.ts';

/** The forges that are set up, each with its own credentials; nothing is fetched from another host. */
export function sourceAccessOf(
  settings: ConfigOf<typeof sourceSettings> & ForgeSettings,
  { githubApp, gitlabTokens }: Pick<Forges, 'githubApp' | 'gitlabTokens'>,
  { path, logger }: { path: string; logger: Logger },
): SourceAccess {
  const onUnreachable = ({ repository }: KnownRepository, err: unknown) =>
    logger.warn(
      { err, repository: `${repository.owner}/${repository.name}` },
      'its branches cannot be compared',
    );
  const { sourceHosts: hosts, sourceCredentials: credentialsDir, gitlabUrl } = settings;
  return createSourceAccessByForge({
    git: hosts.length > 0 ? createGitSourceAccess({ hosts, credentialsDir, path, onUnreachable }) : undefined,
    github:
      githubApp &&
      createGitHubSourceAccess({ app: githubApp, webUrl: settings.githubUrl, path, onUnreachable }),
    gitlab:
      gitlabUrl === undefined
        ? undefined
        : createGitLabSourceAccess({ webUrl: gitlabUrl, tokens: gitlabTokens, path, onUnreachable }),
  });
}

/** For GitLab's API: the token of the longest path that a project lies below. Throws `remote_unavailable`. */
export function gitlabTokenOf(tokens: readonly GitLabTokenFile[]) {
  return async (project: string): Promise<string | undefined> => {
    const isBelow = (path: string) => path === '' || `${project}/`.toLowerCase().startsWith(`${path}/`);
    const [longest] = tokens
      .map(({ path, file }) => ({ file, path: path.toLowerCase().replace(/^\/+|\/+$/g, '') }))
      .filter(({ path }) => isBelow(path))
      .sort((a, b) => b.path.length - a.path.length);
    return longest && readGitLabToken(longest.file);
  };
}
