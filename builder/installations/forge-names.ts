import { randomUUID } from 'node:crypto';
import { TowlineError } from '../../core/errors.ts';
import type {
  Person,
  PushEvent,
  RepositoryDeletedEvent,
  SourceEvent,
  SourceRepository,
} from '../../core/source-event.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { slugOf, standInOwner, whyNotRepository } from '../webhooks/forge-values.ts';
import type { InstallationStore, ServedRepository } from './installation-store.ts';

export interface SettledEvent {
  /** Have to be accepted first, and are told to `departed` then. */
  before: readonly RepositoryDeletedEvent[];
  event: SourceEvent;
}

/** By what names the platform knows owners and repositories, and whether they are served. */
export interface ForgeNames {
  /**
   * The event with the names that its owner and its repository were first seen with; a push that is not to be deployed
   * says so. So does one whose owner or repository can have no name here: it is recorded under a stand-in.
   */
  settle(event: SourceEvent): SettledEvent;
  /** Whether the event would move a repository that is known to another owner. */
  wouldMove(event: SourceEvent): boolean;
  /** What repositories leave behind at their former owners and is not accepted yet; survives the process. */
  departures(): readonly RepositoryDeletedEvent[];
  departed(event: RepositoryDeletedEvent): void;
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
const platform: Person = { name: 'Towline', email: '', login: 'towline' };
const suspendedReason = 'the App is suspended';
const uninstalledReason = 'the App was uninstalled';

/** Whether a push was skipped only because nobody was served then. */
export function wasSuspended({ skipped = '' }: PushEvent): boolean {
  return [suspendedReason, uninstalledReason].includes(skipped);
}

function whyNotPath(path: string | undefined): string | undefined {
  const slash = path?.lastIndexOf('/') ?? -1;
  return path && whyNotRepository(path.slice(0, slash), path.slice(slash + 1));
}

/** Of Gitea, as its webhook said; a comparison of branch heads knows only the stand-in, which must not become a name. */
function stillSkipped(event: PushEvent): PushEvent {
  const why = event.skipped ?? whyNotPath(event.repository.path);
  return why === undefined ? event : { ...event, skipped: why.slice(0, 500) };
}

function nameWithId(name: string, id: string): string {
  return `${name.slice(0, maxName - id.length - 1)}-${id}`;
}

export function createForgeNames(store: InstallationStore): ForgeNames {
  /** Of a former owner, should nobody have told that the repository was transferred. */
  function leaving(
    { scm, repository }: KnownRepository,
    former: ServedRepository,
    actor: Person,
  ): RepositoryDeletedEvent | undefined {
    const owner = store.owner(former.scm, former.ownerId);
    if (!owner) return undefined;
    const left = { ...repository, owner: owner.slug, ownerId: owner.id, name: former.name };
    return {
      type: 'repository-deleted',
      id: `transferred-${randomUUID()}`,
      ...{ scm, repository: left, actor, reason: 'transferred' },
    };
  }

  /** Throws `name_taken`. */
  function slugOfOwner({ scm, repository }: KnownRepository): string {
    const { ownerId: id, owner, path } = repository;
    const known = store.owner(scm, id);
    const ownerPath = path?.slice(0, path.lastIndexOf('/')) ?? owner;
    if (known?.path === ownerPath) return known.slug;
    // Not the event's own: what was refused once is recorded under a stand-in, which must not become a name.
    const slug = known?.slug ?? (path === undefined ? owner : slugOf(ownerPath));
    if (store.putOwner({ scm, id, slug, path: ownerPath })) return slug;
    throw new TowlineError('name_taken', `"${slug}" is the name of another owner here`, {
      hint: 'owners whose logins or paths differ only in what a DNS label cannot hold share one name',
    });
  }

  /** Why nothing of it can have a name here; claims the owner's. */
  function whyNoName(event: PushEvent): string | undefined {
    const why = whyNotPath(event.repository.path);
    if (why) return why;
    try {
      slugOfOwner(event);
      return undefined;
    } catch (error) {
      if (error instanceof TowlineError && error.code === 'name_taken') return error.message;
      throw error;
    }
  }

  /** It claims no name, and what its former owner had goes: so that whoever pushed is told, and nothing is kept. */
  function refused(event: PushEvent, why: string): SettledEvent {
    const { scm, repository, actor } = event;
    const { id, ownerId } = repository;
    const former = store.repository(scm, id);
    const departure = former && former.ownerId !== ownerId ? leaving(event, former, actor) : undefined;
    const owner = store.owner(scm, ownerId)?.slug ?? standInOwner(scm, ownerId);
    const skipped = (event.skipped ?? why).slice(0, 500);
    return {
      before: [...store.departures({ scm, id }), ...(departure ? [departure] : [])],
      event: { ...event, repository: { ...repository, owner }, skipped },
    };
  }

  function nameOf(seen: KnownRepository, slug: string, actor: Person): string {
    const { scm, repository, installationId } = seen;
    const { id, ownerId, path = `${slug}/${repository.name}` } = repository;
    const former = store.repository(scm, id);
    const known = former?.ownerId === ownerId ? former : undefined;
    // With its new owner at once: whatever dies then, what is left behind is taken away.
    const departure = former && !known ? leaving(seen, former, actor) : undefined;
    const record = {
      ...{ scm, id, ownerId, path, private: repository.private },
      installationId: installationId ?? null,
      removeAt: known?.removeAt ?? null,
    };
    const name = known?.name ?? repository.name;
    if (known && JSON.stringify(known) === JSON.stringify({ ...record, name })) return name;
    if (store.putRepository({ ...record, name }, departure)) return name;
    // It was made anew under the name that another one, renamed meanwhile, was first seen with.
    const other = nameWithId(name, id);
    store.putRepository({ ...record, name: other }, departure);
    return other;
  }

  function whyNotServed({ scm, repository: { id, ownerId } }: KnownRepository): string | undefined {
    if (store.repository(scm, id)?.removeAt) return uninstalledReason;
    const state = scm === 'github' ? store.newestInstallation(ownerId)?.state : undefined;
    if (state === 'suspended') return suspendedReason;
    return state === 'deleted' ? uninstalledReason : undefined;
  }

  function withNames(known: KnownRepository, actor = platform): SourceRepository {
    const owner = slugOfOwner(known);
    return { ...known.repository, owner, name: nameOf(known, owner, actor) };
  }

  /**
   * A deletion claims no name: a redelivered one must not bring one back. What was never here has no functions, and must
   * not take away those of another one that has its name.
   */
  function withKnownNames(known: KnownRepository): SourceRepository {
    const { scm, repository } = known;
    const { id, name } = repository;
    const owner = store.owner(scm, repository.ownerId)?.slug ?? standInOwner(scm, repository.ownerId);
    return { ...repository, owner, name: store.repository(scm, id)?.name ?? nameWithId(name, id) };
  }

  function settle(event: SourceEvent): SettledEvent {
    const { scm, type } = event;
    if (type === 'image') return { before: [], event };
    if (scm === 'git') return { before: [], event: type === 'push' ? stillSkipped(event) : event };
    const { id } = event.repository;
    if (type === 'repository-deleted') {
      const departure = store.departures({ scm, id }).find((each) => each.id === event.id);
      return { before: [], event: departure ?? { ...event, repository: withKnownNames(event) } };
    }
    const noName = whyNoName(event);
    if (noName !== undefined) return refused(event, noName);
    const settled = { ...event, repository: withNames(event, event.actor) };
    const before = store.departures({ scm, id });
    const why = settled.skipped ?? whyNotServed(settled);
    return { before, event: why === undefined ? settled : { ...settled, skipped: why } };
  }

  return {
    settle,
    wouldMove({ type, scm, repository: { id, ownerId } }) {
      if (type !== 'push' || scm === 'git') return false;
      const known = store.repository(scm, id);
      return known !== undefined && known.ownerId !== ownerId;
    },
    departures: () => store.departures(),
    departed: ({ id }) => store.forgetDeparture(id),
    withNames: (known) => withNames(known),
    ownerPath: (scm, ownerId) => store.owner(scm, ownerId)?.path,
    accepted(event) {
      if (event.type !== 'repository-deleted' || event.scm === 'git') return;
      const one = store.repository(event.scm, event.repository.id);
      if (one?.ownerId === event.repository.ownerId) store.forgetRepository(event.scm, event.repository.id);
    },
    isServed: (repository) => repository.scm === 'git' || whyNotServed(repository) === undefined,
  };
}
