import { TowlineError } from '../../core/errors.ts';
import type {
  InstallationChanged,
  InstallationEvent,
  RepositoriesChanged,
  RepositoryChanged,
  RepositoryRef,
} from '../../core/forge-events.ts';
import type { RepositoryDeletedEvent, SourceRepository } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { slugOf, whyNotRepository } from '../webhooks/forge-values.ts';
import type { ForgeNames } from './forge-names.ts';
import type { ForgeStanding } from './forge-standing.ts';
import type { EventResult } from './installation-audit.ts';
import type { InstallationStore, KnownInstallation, ServedRepository } from './installation-store.ts';
import type { RemovedTogetherOf } from './removed-together.ts';

export type WhyRemoved = Pick<RepositoryDeletedEvent, 'reason' | 'actor' | 'together'>;

export interface InstallationEventsDeps {
  store: InstallationStore;
  names: ForgeNames;
  /** Asked before anything is served or taken away. */
  standing: ForgeStanding;
  /** How much goes with those that leave for one reason, for the guard over large removals. */
  together: RemovedTogetherOf;
  /** The newest delivery of each repository that was pushed to. */
  known: () => Promise<KnownRepository[]>;
  /** Has these compared with what was built; on disk when it returns. */
  toCompare: (repositories: readonly KnownRepository[]) => void;
  remove: (id: string, one: ServedRepository, why: WhyRemoved) => Promise<void>;
  /** Where a repository is cloned from, by its path on the forge; `undefined`: this forge isn't set up. */
  cloneUrlOf: (scm: KnownRepository['scm'], path: string) => string | undefined;
  /** What GitLab tells of a project; `undefined`: there is none to be served. */
  gitlabRepository: (ref: RepositoryRef) => Promise<SourceRepository | undefined>;
  /** How often acting on an event has failed. */
  triesOf: (eventId: string) => number;
  /** Between an uninstallation and the removal of what was deployed. */
  graceMs: number;
  logger: Logger;
  now: () => number;
}

/** Acts on what a forge told; throws what may mend, for the event to be tried again. */
export type ActOnEvent = (event: InstallationEvent) => Promise<EventResult>;

const reasonOf: Record<RepositoriesChanged['reason'], WhyRemoved['reason']> = {
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

/** A deletion is told at the moment that GitHub makes it; as often it is asked whether it is seen everywhere. */
const maxContradictions = 6;

const done: EventResult = { result: 'done' };
const outdated: EventResult = { result: 'outdated' };

/** Whether it would fail the same way each time. */
function isHopeless(error: unknown): error is TowlineError {
  return error instanceof TowlineError && ['name_taken', 'name_invalid', 'bad_request'].includes(error.code);
}

export function createInstallationEvents(deps: InstallationEventsDeps): ActOnEvent {
  const { store, now, names, standing } = deps;

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
    return { ...origin, repository: names.withNames({ ...origin, repository }) };
  }

  /** Throws what may mend. */
  function refuse({ id: deliveryId }: InstallationEvent, error: unknown): EventResult {
    if (!isHopeless(error)) throw error;
    deps.logger.warn({ err: error, deliveryId }, 'what a forge told of is refused');
    return { result: 'refused', reason: error.message };
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

  async function serve(event: InstallationEvent, refs: readonly RepositoryRef[]): Promise<EventResult> {
    const known = new Map((await deps.known()).map((each) => [`${each.scm}:${each.repository.id}`, each]));
    const found: KnownRepository[] = [];
    let refused: EventResult | undefined;
    for (const ref of await wanted(event, refs)) {
      const pushedTo = known.get(`${event.scm}:${ref.id}`);
      try {
        const one = await named(event, ref, pushedTo);
        if (!one) continue;
        const kept = store.repository(event.scm, ref.id);
        if (kept) store.putRepository({ ...kept, removeAt: null });
        found.push(one);
      } catch (error) {
        refused = refuse(event, error);
      }
    }
    deps.toCompare(found);
    return refused ?? done;
  }

  /** What comes late, about an installation that is gone, says nothing about the one that followed it. */
  function isPast({ installation: { id, account } }: InstallationChanged): boolean {
    const newest = store.newestInstallation(account.id);
    if (newest !== undefined && BigInt(newest.id) > BigInt(id)) return true;
    return store.installation(id)?.state === 'deleted';
  }

  function uninstalled(own: readonly ServedRepository[], account: string): EventResult {
    const removeAt = now() + deps.graceMs;
    for (const one of own) store.putRepository({ ...one, removeAt: one.removeAt ?? removeAt });
    const at = new Date(removeAt).toISOString();
    const about = { account, repositories: own.length, removeAt: at };
    deps.logger.info(
      about,
      'the App was uninstalled; what it deployed is removed if nobody installs it again',
    );
    return own.length === 0 ? done : { ...done, reason: `${own.length} repositories are removed at ${at}` };
  }

  /** No installation comes back under its id: what GitHub shows still of a deleted one is shown for a moment only. */
  async function deletedNow({
    id: eventId,
    installation,
  }: InstallationChanged): Promise<KnownInstallation['state']> {
    const { id, account } = installation;
    const state = (await standing.installation(id)) ?? 'deleted';
    if (state !== 'deleted' && deps.triesOf(eventId) < maxContradictions) {
      throw new TowlineError(
        'remote_unavailable',
        'GitHub still shows an installation that it told was deleted',
      );
    }
    store.putInstallation({ id, accountId: account.id, state });
    return state;
  }

  /**
   * Another one was heard of first: what that one does not see had only this one. Or that it is gone was heard when
   * something else was asked for, which takes nothing away.
   */
  async function replaced({ installation: { id, account }, scm }: InstallationChanged): Promise<EventResult> {
    const own = store.repositories({ scm, ownerId: account.id });
    const newest = store.newestInstallation(account.id);
    const of = { ownerId: account.id, installationId: newest?.id ?? null };
    const seen =
      newest?.state === 'deleted'
        ? new Set<string>()
        : await standing.served({ scm, repositories: own, ...of });
    store.putInstallation({ id, accountId: account.id, state: 'deleted' });
    const behind = own.filter((one) => one.removeAt === null && seen && !seen.has(one.id));
    return behind.length === 0 ? outdated : uninstalled(behind, account.path);
  }

  async function installationChanged(event: InstallationChanged): Promise<EventResult> {
    const { installation, change, scm } = event;
    const { id, account } = installation;
    const told = stateAfter[change];
    if (isPast(event)) return told === 'deleted' ? replaced(event) : outdated;
    const own = store.repositories({ scm, ownerId: account.id });
    const state = told === 'deleted' ? await deletedNow(event) : await stateNow(id, account.id, told);
    if (state === 'deleted') return uninstalled(own, account.path);
    if (change === 'created' && state === 'suspended') await remember(event);
    return state === told ? cameOrRests(event, own) : outdated;
  }

  /** It was put to sleep before its making was told of: nothing but that told of these, and they are served when it wakes. */
  async function remember(event: InstallationChanged): Promise<void> {
    for (const ref of event.repositories) {
      if (store.repository(event.scm, ref.id)) continue;
      await named(event, ref, undefined).catch((error: unknown) => refuse(event, error));
    }
  }

  function cameOrRests(
    event: InstallationChanged,
    own: readonly ServedRepository[],
  ): Promise<EventResult> | EventResult {
    const { change } = event;
    if (change === 'created') return serve(event, event.repositories);
    const staying = own.filter(({ removeAt }) => removeAt === null);
    return change === 'unsuspended' ? serve(event, staying) : done;
  }

  function theirs({ scm, installation, repositories }: RepositoriesChanged): ServedRepository[] {
    return repositories.flatMap(({ id }) => {
      const one = store.repository(scm, id);
      const isTheirs = !installation || one?.ownerId === installation.account.id;
      return one && isTheirs ? [one] : [];
    });
  }

  /** How many of them stay. */
  async function leftOwner(
    { id: deliveryId, scm, installation, actor, reason }: RepositoriesChanged,
    ownerId: string,
    own: readonly ServedRepository[],
  ): Promise<number> {
    const newest = scm === 'github' ? store.newestInstallation(ownerId)?.id : undefined;
    const installationId = newest ?? own[0]?.installationId ?? installation?.id ?? null;
    const still = await servedNow(scm, own, { ownerId, installationId });
    const gone = own.filter(({ id }) => !still?.has(id));
    const why = { reason: reasonOf[reason], actor, together: await deps.together(gone) };
    for (const one of gone) await deps.remove(`${deliveryId}-${one.id}`, one, why);
    if (!still?.size) return 0;
    const about = { deliveryId, repositories: still.size };
    deps.logger.info(about, 'what a forge told of as gone is there when it is asked, and stays');
    return still.size;
  }

  /** Takes away what the forge, asked now, doesn't show to us any more. */
  async function left(event: RepositoriesChanged): Promise<EventResult> {
    let staying = 0;
    const leaving = theirs(event);
    for (const [ownerId, own] of Map.groupBy(leaving, (one) => one.ownerId)) {
      staying += await leftOwner(event, ownerId, own);
    }
    return leaving.length > 0 && staying === leaving.length ? outdated : done;
  }

  async function repositoriesChanged(event: RepositoriesChanged): Promise<EventResult> {
    const { installation: of, change } = event;
    const known = of && store.installation(of.id);
    // What left an installation that is gone by now may be in none of those that came after it.
    const asked = of && change === 'removed' ? store.newestInstallation(of.account.id) : known;
    if (asked?.state === 'deleted') return outdated;
    if (change === 'removed') return left(event);
    if (of && !known) await stateNow(of.id, of.account.id, 'active');
    return serve(event, event.repositories);
  }

  async function repositoryChanged(event: RepositoryChanged): Promise<EventResult> {
    const { id, path, private: isPrivate } = event.repository;
    const one = store.repository(event.scm, id);
    if (!one) return { result: 'nobody' };
    store.putRepository({ ...one, path, private: isPrivate });
    return event.change === 'edited' && one.removeAt === null ? serve(event, [event.repository]) : done;
  }

  async function act(event: InstallationEvent): Promise<EventResult> {
    if (event.type === 'installation') return installationChanged(event);
    if (event.type === 'repositories') return repositoriesChanged(event);
    if (event.type === 'repository') return repositoryChanged(event);
    const owner = store.owner(event.scm, event.account.id);
    if (owner) store.putOwner({ ...owner, path: event.account.path });
    return { result: owner ? 'done' : 'nobody' };
  }

  return (event) => act(event).catch((error) => refuse(event, error));
}
