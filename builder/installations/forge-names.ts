import { TowlineError } from '../../core/errors.ts';
import type {
  PushEvent,
  RepositoryDeletedEvent,
  SourceEvent,
  SourceRepository,
} from '../../core/source-event.ts';
import type { KnownRepository } from '../source/source-access.ts';
import type { InstallationStore, ServedRepository } from './installation-store.ts';

export interface SettledEvent {
  /** Has to be accepted first. */
  before?: SourceEvent | undefined;
  event: SourceEvent;
}

/** By what names the platform knows owners and repositories, and whether they are served. */
export interface ForgeNames {
  /**
   * The event with the names that its owner and its repository were first seen with; a push that is not to be deployed
   * says so. Throws `name_taken` if the owner's slug is somebody else's.
   */
  settle(event: SourceEvent): SettledEvent;
  /** The event is accepted: a deleted repository's name is free again. */
  accepted(event: SourceEvent): void;
  /** Claims the names if they are new. Throws `name_taken`. */
  withNames(known: KnownRepository): SourceRepository;
  /** The login or path of a known owner as its forge writes it now. */
  ownerPath(scm: SourceEvent['scm'], ownerId: string): string | undefined;
  /** Whether missed pushes are looked for. */
  isServed(repository: KnownRepository): boolean;
}

const maxName = 100;
const suspendedReason = 'the App is suspended';
const uninstalledReason = 'the App was uninstalled';

/** Whether a push was skipped only because nobody was served then. */
export function wasSuspended({ skipped = '' }: PushEvent): boolean {
  return [suspendedReason, uninstalledReason].includes(skipped);
}

function nameWithId(name: string, id: string): string {
  return `${name.slice(0, maxName - id.length - 1)}-${id}`;
}

export function createForgeNames(store: InstallationStore): ForgeNames {
  /** Of a former owner, should nobody have told that the repository was transferred. */
  function leaving(event: PushEvent, former: ServedRepository): RepositoryDeletedEvent | undefined {
    const owner = store.owner(former.scm, former.ownerId);
    if (!owner) return undefined;
    const repository = { ...event.repository, owner: owner.slug, ownerId: owner.id, name: former.name };
    return {
      type: 'repository-deleted',
      id: `transferred-${former.scm}-${former.id}-${owner.id}-${event.id}`.slice(0, 200),
      ...{ scm: event.scm, repository, actor: event.actor, reason: 'transferred' },
    };
  }

  function slugOfOwner({ scm, repository }: KnownRepository): string {
    const { ownerId: id, owner: slug, path } = repository;
    const known = store.owner(scm, id);
    const ownerPath = path?.slice(0, path.lastIndexOf('/')) ?? slug;
    if (known?.path === ownerPath) return known.slug;
    if (store.putOwner({ scm, id, slug: known?.slug ?? slug, path: ownerPath })) return known?.slug ?? slug;
    throw new TowlineError('name_taken', `"${slug}" is the name of another owner here`, {
      hint: 'owners whose logins or paths differ only in what a DNS label cannot hold share one name',
    });
  }

  function nameOf({ scm, repository, installationId }: KnownRepository, slug: string): string {
    const { id, ownerId, path = `${slug}/${repository.name}` } = repository;
    const former = store.repository(scm, id);
    const known = former?.ownerId === ownerId ? former : undefined;
    const record = {
      ...{ scm, id, ownerId, path, private: repository.private },
      installationId: installationId ?? null,
      removeAt: known?.removeAt ?? null,
    };
    const name = known?.name ?? repository.name;
    if (known && JSON.stringify(known) === JSON.stringify({ ...record, name })) return name;
    if (store.putRepository({ ...record, name })) return name;
    // It was made anew under the name that another one, renamed meanwhile, was first seen with.
    const other = nameWithId(name, id);
    store.putRepository({ ...record, name: other });
    return other;
  }

  function whyNotServed({ scm, repository: { id, ownerId } }: KnownRepository): string | undefined {
    if (store.repository(scm, id)?.removeAt) return uninstalledReason;
    const state = scm === 'github' ? store.newestInstallation(ownerId)?.state : undefined;
    if (state === 'suspended') return suspendedReason;
    return state === 'deleted' ? uninstalledReason : undefined;
  }

  function withNames(known: KnownRepository): SourceRepository {
    const owner = slugOfOwner(known);
    return { ...known.repository, owner, name: nameOf(known, owner) };
  }

  /**
   * A deletion claims no name: a redelivered one must not bring one back. What was never here has no functions, and must
   * not take away those of another one that has its name.
   */
  function withKnownNames(known: KnownRepository): SourceRepository {
    const { scm, repository } = known;
    const { id, name } = repository;
    const owner = store.owner(scm, repository.ownerId)?.slug ?? slugOfOwner(known);
    return { ...repository, owner, name: store.repository(scm, id)?.name ?? nameWithId(name, id) };
  }

  function settle(event: SourceEvent): SettledEvent {
    if (event.scm === 'git' || event.type === 'image') return { event };
    if (event.type !== 'push') return { event: { ...event, repository: withKnownNames(event) } };
    const former = store.repository(event.scm, event.repository.id);
    const before = former && former.ownerId !== event.repository.ownerId ? leaving(event, former) : undefined;
    const settled = { ...event, repository: withNames(event) };
    const why = settled.skipped ?? whyNotServed(settled);
    return { before, event: why === undefined ? settled : { ...settled, skipped: why } };
  }

  return {
    settle,
    withNames,
    ownerPath: (scm, ownerId) => store.owner(scm, ownerId)?.path,
    accepted(event) {
      if (event.type !== 'repository-deleted' || event.scm === 'git') return;
      const one = store.repository(event.scm, event.repository.id);
      if (one?.ownerId === event.repository.ownerId) store.forgetRepository(event.scm, event.repository.id);
    },
    isServed: (repository) => repository.scm === 'git' || whyNotServed(repository) === undefined,
  };
}
