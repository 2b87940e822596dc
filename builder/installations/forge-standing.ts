import { TowlineError } from '../../core/errors.ts';
import type { SourceEvent, SourceRepository } from '../../core/source-event.ts';
import type { GitHubApp, SeenRepository } from '../github/github-app.ts';
import type { KnownInstallation } from './installation-store.ts';

/** A repository as events name it, and what asks for it. */
export interface AskedRepositories {
  scm: SourceEvent['scm'];
  /** GitHub's; `null`: it isn't known. */
  installationId: string | null;
  repositories: readonly { id: string; path: string }[];
  /** Whose they are; one that is somebody else's by now is not to be served for them. */
  ownerId: string | undefined;
}

/**
 * What forges say when they are asked now. Deliveries come late, twice, and in any order, so what they tell is no more
 * than a reason to ask. Throws `remote_unavailable` while no answer is to be had.
 */
export interface ForgeStanding {
  /** `undefined`: it cannot be asked for, and what was told counts. */
  installation(id: string): Promise<KnownInstallation['state'] | undefined>;
  /** The App's on a repository, by its path; `undefined`: none is, or it cannot be asked for. */
  installationOn(path: string): Promise<string | undefined>;
  /** The ids of those that are to be served; `undefined`: they cannot be asked for. */
  served(asked: AskedRepositories): Promise<ReadonlySet<string> | undefined>;
}

export interface ForgeStandingDeps {
  githubApp: GitHubApp | undefined;
  /** What GitLab tells of a project; `undefined`: there is none to be served. */
  gitlabRepository: (repository: { id: string; path: string }) => Promise<SourceRepository | undefined>;
  signal: AbortSignal;
}

/** Those of `ids` that are on these pages and not archived. */
async function seen(
  pages: AsyncIterable<SeenRepository[]>,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const wanted = new Set(ids);
  for await (const page of pages) {
    for (const { id, isArchived } of page) {
      if (wanted.delete(id) && !isArchived) found.add(id);
    }
    if (wanted.size === 0) break;
  }
  return found;
}

export function createForgeStanding(deps: ForgeStandingDeps): ForgeStanding {
  const { githubApp, gitlabRepository, signal } = deps;

  async function installation(id: string): Promise<KnownInstallation['state'] | undefined> {
    return githubApp && ((await githubApp.installationState(id, signal)) ?? 'deleted');
  }

  async function servedOnGitHub(
    app: GitHubApp,
    installationId: string,
    { repositories }: AskedRepositories,
  ): Promise<ReadonlySet<string>> {
    const state = await installation(installationId);
    if (state === 'suspended') {
      throw new TowlineError('remote_unavailable', 'a suspended installation cannot be asked what it sees');
    }
    if (state === 'deleted') return new Set();
    return seen(
      app.seenBy(installationId, signal),
      repositories.map(({ id }) => id),
    );
  }

  async function servedOnGitLab({ repositories, ownerId }: AskedRepositories): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const each of repositories) {
      const repository = await gitlabRepository(each);
      if (repository && (ownerId === undefined || repository.ownerId === ownerId)) found.add(each.id);
    }
    return found;
  }

  return {
    installation,
    installationOn: async (path) => githubApp?.installationOf(path, signal),
    async served(asked) {
      if (asked.scm === 'gitlab') return servedOnGitLab(asked);
      if (asked.scm !== 'github' || asked.installationId === null || !githubApp) return undefined;
      return servedOnGitHub(githubApp, asked.installationId, asked);
    },
  };
}
