import { TowlineError } from '../../core/errors.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import type { GitHubApp } from '../github/github-app.ts';
import { basicAuthorization, hostEnvironment } from './host-credentials.ts';
import { knownHeads } from './known-heads.ts';
import { isBelow, locationUrl, parseRepositoryUrl } from './repository-url.ts';
import type { KnownRepository, SourceAccess, SourceOrigin } from './source-access.ts';
import { parseSourceHost } from './source-access-git.ts';

export interface GitHubSourceAccessConfig {
  app: GitHubApp;
  /** Where repositories are cloned from: `https://github.com`, or a GitHub Enterprise server. */
  webUrl?: string | undefined;
  /** `PATH` of the git processes. */
  path: string;
  timeoutMs?: number | undefined;
  onUnreachable?: ((known: KnownRepository, error: unknown) => void) | undefined;
}

const defaultTimeoutMs = 30_000;
const maxKept = 10_000;

/**
 * Repositories on GitHub, private ones too: each is fetched with a token that reads this one alone. Tokens go to the
 * configured host only, whatever host an event names.
 */
export function createGitHubSourceAccess(config: GitHubSourceAccessConfig): SourceAccess {
  const { app, path } = config;
  const base = parseSourceHost(config.webUrl ?? 'https://github.com');
  /** By repository id; an event may be older than the App's newest installation. */
  const installations = new Map<string, string>();

  function keep(repositoryId: string, installationId: string): void {
    installations.delete(repositoryId);
    installations.set(repositoryId, installationId);
    const [oldest] = installations.keys();
    if (installations.size > maxKept && oldest !== undefined) installations.delete(oldest);
  }

  async function lookUp(repository: SourceEvent['repository'], path: string): Promise<string> {
    const signal = AbortSignal.timeout(config.timeoutMs ?? defaultTimeoutMs);
    const found = await app.installationOf(path, signal);
    if (found !== undefined) {
      keep(repository.id, found);
      return found;
    }
    installations.delete(repository.id);
    throw new TowlineError('source_unavailable', `the GitHub App is not installed on ${path}`);
  }

  async function tokenOf(
    repository: SourceEvent['repository'],
    origin: SourceOrigin,
    path: string,
  ): Promise<string> {
    const signal = AbortSignal.timeout(config.timeoutMs ?? defaultTimeoutMs);
    const known = installations.get(repository.id) ?? origin.installationId;
    const wanted = { repositoryId: repository.id };
    if (known !== undefined) {
      try {
        return await app.contentsToken({ ...wanted, installationId: known }, signal);
      } catch (error) {
        // Of an App that was removed and installed again meanwhile.
        if (!isGone(error)) throw error;
      }
    }
    return app.contentsToken({ ...wanted, installationId: await lookUp(repository, path) }, signal);
  }

  const access: SourceAccess = {
    async locate(repository, origin) {
      const url = parseRepositoryUrl(repository.cloneUrl);
      const isHere = url !== undefined && isBelow(url, base) && /^[0-9]{1,16}$/.test(repository.id);
      const named = url?.path.slice(base.path.length + 1).replace(/\.git$/, '') ?? '';
      if (!isHere || origin.scm !== 'github' || named.split('/').length !== 2) {
        const name = `${repository.owner}/${repository.name}`;
        throw new TowlineError('source_unavailable', `the repository ${name} is not on ${base.host}`);
      }
      const authorization = basicAuthorization('x-access-token', await tokenOf(repository, origin, named));
      return { url: locationUrl(url, base), env: hostEnvironment(base, { authorization }) };
    },
    heads: (isDeployed, { known, onNoAnswer, signal }) =>
      knownHeads({
        ...{ isDeployed, onNoAnswer, signal, path, locate: access.locate },
        known: known.filter(({ scm }) => scm === 'github'),
        onUnreachable: config.onUnreachable ?? (() => {}),
      }),
  };
  return access;
}

function isGone(error: unknown): boolean {
  const cause = error instanceof TowlineError ? (error.cause as { status?: unknown } | undefined) : undefined;
  return cause?.status === 404 || cause?.status === 422;
}
