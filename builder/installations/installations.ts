import { TowlineError } from '../../core/errors.ts';
import type {
  InstallationChanged,
  InstallationEvent,
  RepositoriesChanged,
  RepositoryRef,
} from '../../core/forge-events.ts';
import type {
  Person,
  RepositoryDeletedEvent,
  SourceEvent,
  SourceRepository,
} from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { slugOf, whyNotRepository } from '../webhooks/forge-values.ts';
import { createPatience, lanesOf } from './event-lanes.ts';
import type { ForgeNames } from './forge-names.ts';
import type { ForgeStanding } from './forge-standing.ts';
import type { InstallationStore, KnownInstallation, ServedRepository } from './installation-store.ts';
import type { RemovedTogetherOf } from './removed-together.ts';

export interface InstallationsDeps {
  store: InstallationStore;
  names: ForgeNames;
  /** Asked before anything is served or taken away. */
  standing: ForgeStanding;
  /** How much goes with those that leave for one reason, for the guard over large removals. */
  together: RemovedTogetherOf;
  /** The newest delivery of each repository that was pushed to. */
  known: () => Promise<KnownRepository[]>;
  /** Durable when it resolves; an id that was seen is a duplicate. */
  accept: (event: SourceEvent) => Promise<unknown>;
  /** Looks where these are, and queues what was missed. */
  compare: (repositories: readonly KnownRepository[]) => Promise<void>;
  /** Where a repository is cloned from, by its path on the forge; `undefined`: this forge isn't set up. */
  cloneUrlOf: (scm: SourceEvent['scm'], path: string) => string | undefined;
  /** What GitLab tells of a project; `undefined`: there is none to be served. */
  gitlabRepository: (ref: RepositoryRef) => Promise<SourceRepository | undefined>;
  /** Between an uninstallation and the removal of what was deployed. Default: an hour. */
  graceMs?: number | undefined;
  /** Between two tries of what a forge could not be asked for. */
  retry: { firstMs: number; maxMs: number };
  logger: Logger;
  now: () => number;
}

/** Who the platform is to serve, as forges tell it. */
export interface Installations {
  /** Durable when it returns; acted on by `work`. */
  put(event: InstallationEvent): void;
  /**
   * Acts on what forges told, and removes what nobody came back for. What cannot be acted on now waits, with all later
   * of the same account; what never can be is told to the log and left.
   */
  work(): Promise<void>;
  /** Milliseconds since the epoch when something that waits is to be tried again; `undefined`: nothing waits. */
  retryAt(): number | undefined;
  /** Milliseconds since the epoch when something is to be removed; `undefined`: nothing is. */
  nextAt(): number | undefined;
  /** Those that were never pushed to, or nobody heard of it. */
  served(): Promise<KnownRepository[]>;
}

const defaultGraceMs = 60 * 60_000;
const platform: Person = { name: 'Towline', email: '', login: 'towline' };
type Why = Pick<RepositoryDeletedEvent, 'reason' | 'actor' | 'together'>;
const reasonOf: Record<RepositoriesChanged['reason'], Why['reason']> = {
  chosen: 'removed',
  created: 'removed',
  deleted: 'deleted',
  archived: 'archived',
  unarchived: 'removed',
  transferred: 'transferred',
  'opted-out': 'opted-out',
};

const stateAfter: Record<InstallationChanged['change'], KnownInstallation['state']> = {
  created: 'active',
  unsuspended: 'active',
  'permissions-accepted': 'active',
  suspended: 'suspended',
  deleted: 'deleted',
};

/** Whether it would fail the same way each time. */
function isHopeless(error: unknown): boolean {
  return error instanceof TowlineError && ['name_taken', 'name_invalid', 'bad_request'].includes(error.code);
}

export function createInstallations(deps: InstallationsDeps): Installations {
  const { store, now, names, standing } = deps;
  const { withNames } = names;
  const patience = createPatience(deps.retry, now);
  const overdue = createPatience(deps.retry, now);
  const keyOf = ({ scm, id }: ServedRepository) => `${scm}:${id}`;
  let working: Promise<void> | undefined;

  async function remove(id: string, one: ServedRepository, why: Why): Promise<void> {
    const found = (await deps.known()).find((each) => {
      return each.scm === one.scm && each.repository.id === one.id;
    });
    if (found && found.repository.ownerId === one.ownerId) {
      await deps.accept({ ...found, type: 'repository-deleted', id: id.slice(0, 200), ...why });
    }
    store.forgetRepository(one.scm, one.id);
  }

  /** Of GitHub the event says all that is needed; of GitLab it doesn't say whose the repository is. */
  async function describe(
    event: InstallationEvent,
    ref: RepositoryRef,
  ): Promise<SourceRepository | undefined> {
    if (event.scm === 'gitlab') return deps.gitlabRepository(ref);
    const account = 'installation' in event ? event.installation?.account : undefined;
    const [owner = '', name = ''] = ref.path.split('/');
    const cloneUrl = deps.cloneUrlOf('github', ref.path);
    if (!account || cloneUrl === undefined || whyNotRepository(owner, name) !== undefined) return undefined;
    const { id, path, private: isPrivate } = ref;
    const whose = { owner: slugOf(account.path), ownerId: account.id };
    return { id, name, path, ...whose, cloneUrl, private: isPrivate, defaultBranch: 'main' };
  }

  async function named(
    event: InstallationEvent,
    ref: RepositoryRef,
    pushedTo: KnownRepository | undefined,
  ): Promise<KnownRepository | undefined> {
    const repository = (await describe(event, ref)) ?? pushedTo?.repository;
    if (!repository) return undefined;
    const installation = 'installation' in event ? event.installation : null;
    const installationId = installation?.id ?? pushedTo?.installationId;
    const origin = { scm: event.scm, ...(installationId === undefined ? {} : { installationId }) };
    return { ...origin, repository: withNames({ ...origin, repository }) };
  }

  /** Throws what may mend. */
  function refuse({ id: deliveryId }: InstallationEvent, error: unknown): undefined {
    if (!isHopeless(error)) throw error;
    deps.logger.warn({ err: error, deliveryId }, 'what a forge told of is refused');
  }

  /** As the forge says when it is asked; kept, because pushes are skipped by it. */
  async function stateNow(
    id: string,
    accountId: string,
    told: KnownInstallation['state'],
  ): Promise<KnownInstallation['state']> {
    const state = (await standing.installation(id)) ?? told;
    store.putInstallation({ id, accountId, state });
    return state;
  }

  /** Of those the ids that the forge says are to be served now; `undefined`: it cannot be asked. */
  async function servedNow(
    scm: InstallationEvent['scm'],
    repositories: readonly { id: string; path: string }[],
    of: { ownerId: string | undefined; installationId: string | null },
  ): Promise<ReadonlySet<string> | undefined> {
    const { ownerId, installationId } = of;
    if (ownerId !== undefined && installationId !== null) await stateNow(installationId, ownerId, 'active');
    return standing.served({ scm, repositories, ...of });
  }

  /** Of GitLab each project is asked for as it is described. */
  async function wanted(
    event: InstallationEvent,
    refs: readonly RepositoryRef[],
  ): Promise<readonly RepositoryRef[]> {
    if (event.scm !== 'github') return refs;
    const installation = 'installation' in event ? event.installation : null;
    const of = { ownerId: installation?.account.id, installationId: installation?.id ?? null };
    const seen = await servedNow(event.scm, refs, of);
    return seen ? refs.filter(({ id }) => seen.has(id)) : refs;
  }

  async function serve(event: InstallationEvent, refs: readonly RepositoryRef[]): Promise<void> {
    const known = new Map((await deps.known()).map((each) => [`${each.scm}:${each.repository.id}`, each]));
    const found: KnownRepository[] = [];
    for (const ref of await wanted(event, refs)) {
      const pushedTo = known.get(`${event.scm}:${ref.id}`);
      const one = await named(event, ref, pushedTo).catch((error) => refuse(event, error));
      if (!one) continue;
      const kept = store.repository(event.scm, ref.id);
      if (kept) store.putRepository({ ...kept, removeAt: null });
      found.push(one);
    }
    await deps.compare(found);
  }

  /** What comes late, about an installation that is gone, says nothing about the one that followed it. */
  function isPast({ installation: { id, account } }: InstallationChanged): boolean {
    const newest = store.newestInstallation(account.id);
    if (newest !== undefined && BigInt(newest.id) > BigInt(id)) return true;
    return store.installation(id)?.state === 'deleted';
  }

  function uninstalled(own: readonly ServedRepository[], account: string): void {
    const removeAt = now() + (deps.graceMs ?? defaultGraceMs);
    for (const one of own) store.putRepository({ ...one, removeAt: one.removeAt ?? removeAt });
    const about = { account, repositories: own.length, removeAt: new Date(removeAt) };
    deps.logger.info(
      about,
      'the App was uninstalled; what it deployed is removed if nobody installs it again',
    );
  }

  async function installationChanged(event: InstallationChanged): Promise<void> {
    const { installation, change, scm } = event;
    const { id, account } = installation;
    const told = stateAfter[change];
    if (isPast(event)) {
      if (told === 'deleted') store.putInstallation({ id, accountId: account.id, state: told });
      return;
    }
    const own = store.repositories({ scm, ownerId: account.id });
    if (told === 'deleted') {
      // No installation comes back under its id, so this one is believed.
      store.putInstallation({ id, accountId: account.id, state: told });
      return uninstalled(own, account.path);
    }
    const state = await stateNow(id, account.id, told);
    if (state === 'deleted') return uninstalled(own, account.path);
    if (state !== 'active') return;
    if (change === 'created') await serve(event, event.repositories);
    if (change === 'unsuspended')
      await serve(
        event,
        own.filter(({ removeAt }) => removeAt === null),
      );
  }

  function theirs({ scm, installation, repositories }: RepositoriesChanged): ServedRepository[] {
    return repositories.flatMap(({ id }) => {
      const one = store.repository(scm, id);
      const isTheirs = !installation || one?.ownerId === installation.account.id;
      return one && isTheirs ? [one] : [];
    });
  }

  async function leftOwner(
    { id: deliveryId, scm, installation, actor, reason }: RepositoriesChanged,
    ownerId: string,
    own: readonly ServedRepository[],
  ): Promise<void> {
    const newest = scm === 'github' ? store.newestInstallation(ownerId)?.id : undefined;
    const installationId = newest ?? own[0]?.installationId ?? installation?.id ?? null;
    const still = await servedNow(scm, own, { ownerId, installationId });
    const gone = own.filter(({ id }) => !still?.has(id));
    const why = { reason: reasonOf[reason], actor, together: await deps.together(gone) };
    for (const one of gone) await remove(`${deliveryId}-${one.id}`, one, why);
    if (!still?.size) return;
    const about = { deliveryId, repositories: still.size };
    deps.logger.info(about, 'what a forge told of as gone is there when it is asked, and stays');
  }

  /** Takes away what the forge, asked now, doesn't show to us any more. */
  async function left(event: RepositoriesChanged): Promise<void> {
    for (const [ownerId, own] of Map.groupBy(theirs(event), (one) => one.ownerId)) {
      await leftOwner(event, ownerId, own);
    }
  }

  async function repositoriesChanged(event: RepositoriesChanged): Promise<void> {
    const { installation: of, change } = event;
    const known = of && store.installation(of.id);
    if (known?.state === 'deleted') return;
    if (change === 'removed') return left(event);
    if (of && !known) await stateNow(of.id, of.account.id, 'active');
    return serve(event, event.repositories);
  }

  async function handle(event: InstallationEvent): Promise<void> {
    if (event.type === 'installation') return installationChanged(event);
    if (event.type === 'repositories') return repositoriesChanged(event);
    if (event.type === 'account-renamed') {
      const owner = store.owner(event.scm, event.account.id);
      if (owner) store.putOwner({ ...owner, path: event.account.path });
      return;
    }
    const { id, path, private: isPrivate } = event.repository;
    const one = store.repository(event.scm, id);
    if (!one) return;
    store.putRepository({ ...one, path, private: isPrivate });
    if (event.change === 'edited' && one.removeAt === null) await serve(event, [event.repository]);
  }

  async function removeOverdue(): Promise<void> {
    const isOverdue = (one: ServedRepository) =>
      one.removeAt !== null && one.removeAt <= now() && overdue.isDue(keyOf(one));
    const due = store.repositories().filter(isOverdue);
    const owners = Map.groupBy(due, ({ scm, ownerId }) => `${scm}:${ownerId}`);
    for (const own of owners.values()) await removeUninstalled(own);
  }

  async function removeUninstalled(own: readonly ServedRepository[]): Promise<void> {
    const together = deps.together(own);
    for (const one of own) {
      const key = keyOf(one);
      try {
        const why: Why = { reason: 'uninstalled', actor: platform, together: await together };
        await remove(`uninstalled-${one.scm}-${one.id}-${one.removeAt}`, one, why);
        overdue.done(key);
      } catch (error) {
        overdue.failed(key);
        deps.logger.warn(
          { err: error, repository: one.path },
          'what nobody came back for cannot be removed yet',
        );
      }
    }
  }

  /** `false`: it waits. */
  async function tryToHandle(event: InstallationEvent): Promise<boolean> {
    try {
      await handle(event).catch((error) => refuse(event, error));
      store.handled(event.id);
      patience.done(event.id);
      return true;
    } catch (error) {
      patience.failed(event.id);
      deps.logger.warn({ err: error, deliveryId: event.id }, 'what a forge told of installations waits');
      return false;
    }
  }

  async function workOnce(): Promise<void> {
    const blocked = new Set<string>();
    for (const event of store.waiting()) {
      const own = lanes(event);
      const mayGo = patience.isDue(event.id) && !own.some((lane) => blocked.has(lane));
      if (mayGo && (await tryToHandle(event))) continue;
      for (const lane of own) blocked.add(lane);
    }
    await removeOverdue();
  }

  const lanes = (event: InstallationEvent) =>
    lanesOf(event, (id) => store.repository(event.scm, id)?.ownerId);

  /** What is nobody's here can be taken from nobody, unless it is about to come. */
  function isIdle(event: InstallationEvent): boolean {
    if (event.type !== 'repositories' || event.change !== 'removed') return false;
    if (theirs(event).length > 0) return false;
    const own = new Set(lanes(event));
    return !store.waiting().some((each) => lanes(each).some((lane) => own.has(lane)));
  }

  return {
    put(event) {
      if (!isIdle(event)) store.put(event);
    },
    work() {
      working = (working ?? Promise.resolve()).catch(() => {}).then(workOnce);
      return working;
    },
    retryAt: patience.nextAt,
    nextAt() {
      const times = store
        .repositories()
        .map((one) => Math.max(one.removeAt ?? Number.POSITIVE_INFINITY, overdue.at(keyOf(one)) ?? 0));
      const next = Math.min(...times);
      return Number.isFinite(next) ? next : undefined;
    },
    async served() {
      const known = new Set((await deps.known()).map(({ scm, repository }) => `${scm}:${repository.id}`));
      return store.repositories().flatMap((one) => {
        const owner = store.owner(one.scm, one.ownerId);
        const cloneUrl = deps.cloneUrlOf(one.scm, one.path);
        if (!owner || cloneUrl === undefined || known.has(`${one.scm}:${one.id}`)) return [];
        return [toKnown(one, owner.slug, cloneUrl)];
      });
    },
  };
}

function toKnown(one: ServedRepository, owner: string, cloneUrl: string): KnownRepository {
  const { scm, id, ownerId, name, path, private: isPrivate, installationId } = one;
  const named = { id, name, owner, ownerId, path, private: isPrivate };
  const repository = { ...named, cloneUrl, defaultBranch: 'main' };
  return { scm, repository, ...(installationId === null ? {} : { installationId }) };
}
