import type { AuditTrail } from '../../core/audit.ts';
import type { InstallationEvent, RepositoryRef } from '../../core/forge-events.ts';
import type { Person, SourceEvent, SourceRepository } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createFairSlots } from '../queue/fair-slots.ts';
import type { KnownRepository } from '../source/source-access.ts';
import type { Comparisons } from './comparisons.ts';
import { createPatience, lanesOf } from './event-lanes.ts';
import type { ForgeNames } from './forge-names.ts';
import type { ForgeStanding } from './forge-standing.ts';
import { auditOfForgeEvent, type EventResult } from './installation-audit.ts';
import { createInstallationEvents, type WhyRemoved } from './installation-events.ts';
import type { InstallationStore, ServedRepository } from './installation-store.ts';
import { createLanedWork, type LanedTask } from './laned-work.ts';
import type { RemovedTogetherOf } from './removed-together.ts';
import { createUninstalled, toKnown } from './uninstalled.ts';

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
  /** Has repositories compared with what was built. */
  comparisons: Pick<Comparisons, 'mark' | 'work' | 'isUnderWay'>;
  /** Where a repository is cloned from, by its path on the forge; `undefined`: this forge isn't set up. */
  cloneUrlOf: (scm: SourceEvent['scm'], path: string) => string | undefined;
  /** What GitLab tells of a project; `undefined`: there is none to be served. */
  gitlabRepository: (ref: RepositoryRef) => Promise<SourceRepository | undefined>;
  /** Told what people did on the forges. */
  audit: AuditTrail;
  /** Between an uninstallation and the removal of what was deployed. Default: an hour. */
  graceMs?: number | undefined;
  /** Between two tries of what a forge could not be asked for. */
  retry: { firstMs: number; maxMs: number };
  logger: Logger;
  now: () => number;
  signal: AbortSignal;
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
  /**
   * Milliseconds since the epoch when something that waits is to be tried again by the clock; `undefined`: nothing is, or
   * only what a comparison holds up, which tells when it ends.
   */
  retryAt(): number | undefined;
  /** Milliseconds since the epoch when something is to be removed; `undefined`: nothing is. */
  nextAt(): number | undefined;
  /** Those that were never pushed to, or nobody heard of it. */
  served(): Promise<KnownRepository[]>;
}

const defaultGraceMs = 60 * 60_000;
/** Events that are acted on at the same time; no account takes all of the places. */
const places = { total: 6, perOwner: 3 };
const platform: Person = { name: 'Towline', email: '', login: 'towline' };

export function createInstallations(deps: InstallationsDeps): Installations {
  const { store, now, comparisons, logger } = deps;
  const patience = createPatience(deps.retry, now);
  let lookedAt = 0;

  async function remove(id: string, one: ServedRepository, why: WhyRemoved): Promise<void> {
    const found = (await deps.known()).find((each) => {
      return each.scm === one.scm && each.repository.id === one.id;
    });
    if (found && found.repository.ownerId === one.ownerId) {
      await deps.accept({ ...found, type: 'repository-deleted', id: id.slice(0, 200), ...why });
    }
    store.forgetRepository(one.scm, one.id);
  }

  const act = createInstallationEvents({
    ...deps,
    remove,
    toCompare: (known) => comparisons.mark(known),
    triesOf: (eventId) => patience.tries(eventId),
    graceMs: deps.graceMs ?? defaultGraceMs,
  });
  const uninstalled = createUninstalled({ ...deps, remove, actor: platform, toCompare: comparisons.mark });

  function ownerOf(event: InstallationEvent): string | null {
    const account = event.type === 'account-renamed' ? event.account : undefined;
    const installed = 'installation' in event ? event.installation?.account : undefined;
    const ref = event.type === 'repositories' ? event.repositories[0] : undefined;
    const one = event.type === 'repository' ? event.repository : ref;
    const id = account?.id ?? installed?.id ?? (one && store.repository(event.scm, one.id)?.ownerId);
    return id === undefined ? null : (store.owner(event.scm, id)?.slug ?? null);
  }

  /** Before the event counts as handled: a death in between takes no word of it. */
  function audit(event: InstallationEvent, result: EventResult, owner: string | null): void {
    const told = auditOfForgeEvent(event, result, { now: now(), owner: ownerOf(event) ?? owner });
    if (told) deps.audit.record(told);
  }

  /** `false`: it waits. */
  async function tryToAct(event: InstallationEvent): Promise<boolean> {
    try {
      // What goes with the event is known by its name until then.
      const owner = ownerOf(event);
      audit(event, await act(event), owner);
      store.handled(event.id);
      patience.done(event.id);
      return true;
    } catch (error) {
      if (deps.signal.aborted) return false;
      patience.failed(event.id);
      logger.warn({ err: error, deliveryId: event.id }, 'what a forge told of installations waits');
      return false;
    }
  }

  const lanes = (event: InstallationEvent) =>
    lanesOf(event, (id) => store.repository(event.scm, id)?.ownerId);

  /** The account on GitHub; on GitLab what the path begins with. */
  function turnOf(event: InstallationEvent, own: readonly string[]): string {
    const account = own.find((lane) => lane.startsWith(`${event.scm}:account:`));
    const ref = event.type === 'repositories' ? event.repositories[0] : undefined;
    return account ?? `${event.scm}:${ref?.path.split('/')[0] ?? ''}`;
  }

  function taskOf(event: InstallationEvent): LanedTask {
    const own = lanes(event);
    return { key: event.id, owner: turnOf(event, own), lanes: own, run: () => tryToAct(event) };
  }

  const work = createLanedWork({
    tasks: () => [...store.waiting().map(taskOf), ...uninstalled.tasks()],
    isDue: patience.isDue,
    isTaken: comparisons.isUnderWay,
    onLooked(blocked, at) {
      lookedAt = at;
      comparisons.work(blocked);
    },
    now,
    slots: createFairSlots(places),
    signal: deps.signal,
  });

  /** What is nobody's here can be taken from nobody, unless it is about to come. */
  function isIdle(event: InstallationEvent): boolean {
    if (event.type !== 'repositories' || event.change !== 'removed') return false;
    if (event.repositories.some(({ id }) => isTheirs(event.installation?.account.id, event.scm, id)))
      return false;
    const own = new Set(lanes(event));
    return !store.waiting().some((each) => lanes(each).some((lane) => own.has(lane)));
  }

  function isTheirs(ownerId: string | undefined, scm: SourceEvent['scm'], id: string): boolean {
    const one = store.repository(scm, id);
    return one !== undefined && (ownerId === undefined || one.ownerId === ownerId);
  }

  return {
    put(event) {
      if (isIdle(event)) return;
      store.put(event);
      work.news();
    },
    work: () => work.work(),
    retryAt() {
      const times = [patience.nextAt(lookedAt), uninstalled.retryAt()].filter((at) => at !== undefined);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    nextAt: uninstalled.nextAt,
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
