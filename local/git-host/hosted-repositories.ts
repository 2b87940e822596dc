import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import type { Accounts, Owner } from '../../core/auth.ts';
import { TowlineError } from '../../core/errors.ts';
import type { HostedRepository, RepositoryHost } from '../../core/repository-host.ts';
import type { Person, SourceEvent } from '../../core/source-event.ts';
import type { RepositoryDeletion } from './repository-deletion.ts';
import type { RepositoryStore } from './repository-store.ts';
import { eventRepository, personOfOwner } from './source-push.ts';

type EventRepository = SourceEvent['repository'];

type IsDeployed = (repository: EventRepository, branch: string) => boolean;

/** The tip of a branch, and who pushed it if that is known. */
export interface HostedHead {
  repository: EventRepository;
  branch: string;
  head: string;
  actor?: Person | undefined;
}

/** How the builder fetches from this host: by path, without going through HTTP and a token. */
export interface HostedSourceAccess {
  /** Throws `source_unavailable` for repositories that are not hosted here. */
  locate(repository: EventRepository): Promise<{ url: string; env: Record<string, string> }>;
  /** The tips of each repository's branches that are deployed. */
  heads(isDeployed: IsDeployed): AsyncIterable<HostedHead>;
}

export interface HostedRepositoriesDeps {
  store: RepositoryStore;
  deletion: RepositoryDeletion;
  accounts: Accounts;
  cloneUrl(owner: string, name: string): string;
  /** git configuration file for fetches by path. */
  fetchConfig: string;
}

/** What the platform's other rooms see of the hosted repositories. */
export function createHostedRepositories(
  deps: HostedRepositoriesDeps,
): RepositoryHost & { sourceAccess: HostedSourceAccess } {
  const { store, accounts } = deps;

  function describe(owner: Owner, name: string, defaultBranch: string): EventRepository {
    return eventRepository(owner, { name, cloneUrl: deps.cloneUrl(owner.slug, name), defaultBranch });
  }

  async function mustFind(slug: string, name: string): Promise<{ owner: Owner; path: string }> {
    const owner = await accounts.ownerBySlug(slug);
    const path = owner && (await store.find(owner.slug, name));
    if (!owner || !path) throw new TowlineError('not_found', `there is no repository ${slug}/${name}`);
    return { owner, path };
  }

  async function hosted(owner: Owner, name: string): Promise<HostedRepository | undefined> {
    const path = await store.find(owner.slug, name);
    if (!path) return undefined;
    return {
      owner: owner.slug,
      ownerId: owner.id,
      name,
      defaultBranch: await store.defaultBranch(path),
      cloneUrl: deps.cloneUrl(owner.slug, name),
      pushedAt: await store.pushedAt(path),
    };
  }

  async function pusherOf(path: string, branch: string, head: string): Promise<Person | undefined> {
    const id = await store.pusherOf(path, branch, head);
    const pusher = id === undefined ? undefined : await accounts.ownerById(id);
    return pusher && personOfOwner(pusher);
  }

  async function* headsOf(owner: Owner, isDeployed: IsDeployed): AsyncGenerator<HostedHead> {
    for (const name of await store.names(owner.slug)) {
      const path = await store.find(owner.slug, name);
      if (!path) continue;
      const repository = describe(owner, name, await store.defaultBranch(path));
      for (const { branch, head } of await store.branches(path)) {
        if (isDeployed(repository, branch))
          yield { repository, branch, head, actor: await pusherOf(path, branch, head) };
      }
    }
  }

  return {
    async list(slug) {
      const owner = await accounts.ownerBySlug(slug);
      if (!owner) return [];
      const names = await store.names(owner.slug);
      const found = await Promise.all(names.map((name) => hosted(owner, name)));
      return found.filter((repository) => repository !== undefined);
    },
    async delete(slug, name, actor) {
      const { owner, path } = await mustFind(slug, name);
      await deps.deletion.delete(path, {
        id: randomUUID(),
        scm: 'git',
        type: 'repository-deleted',
        repository: describe(owner, name, await store.defaultBranch(path)),
        actor,
      });
    },
    sourceAccess: {
      async locate(repository) {
        const owner = await accounts.ownerById(repository.ownerId);
        const path =
          owner?.slug === repository.owner ? await store.find(owner.slug, repository.name) : undefined;
        if (!path || repository.id !== `local:${repository.owner}/${repository.name}`) {
          const name = `${repository.owner}/${repository.name}`;
          throw new TowlineError('source_unavailable', `this platform does not host the repository ${name}`);
        }
        return { url: pathToFileURL(path).href, env: { GIT_CONFIG_GLOBAL: deps.fetchConfig } };
      },
      async *heads(isDeployed) {
        for (const slug of await store.owners()) {
          const owner = await accounts.ownerBySlug(slug);
          if (owner) yield* headsOf(owner, isDeployed);
        }
      },
    },
  };
}
