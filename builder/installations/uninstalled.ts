import { randomUUID } from 'node:crypto';
import { type AuditTrail, auditEvent, nameOfPerson } from '../../core/audit.ts';
import type { Person, SourceEvent } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { createPatience } from './event-lanes.ts';
import type { ForgeStanding } from './forge-standing.ts';
import { namesOf } from './installation-audit.ts';
import type { WhyRemoved } from './installation-events.ts';
import type { InstallationStore, KnownInstallation, ServedRepository } from './installation-store.ts';
import type { LanedTask } from './laned-work.ts';
import type { RemovedTogetherOf } from './removed-together.ts';

export interface UninstalledDeps {
  store: InstallationStore;
  /** Asked before anything is taken away. */
  standing: ForgeStanding;
  together: RemovedTogetherOf;
  remove: (id: string, one: ServedRepository, why: WhyRemoved) => Promise<void>;
  /** Has those compared that stay after all; on disk when it returns. */
  toCompare: (repositories: readonly KnownRepository[]) => void;
  cloneUrlOf: (scm: SourceEvent['scm'], path: string) => string | undefined;
  audit: AuditTrail;
  /** In whose name it is removed. */
  actor: Person;
  retry: { firstMs: number; maxMs: number };
  logger: Logger;
  now: () => number;
}

/** Repositories that nobody came back for within the time that they were given. */
export interface Uninstalled {
  /** One for each owner who has any. */
  tasks(): LanedTask[];
  /** Milliseconds since the epoch when the next is to be removed that `tasks` didn't give; `undefined`: there is none. */
  nextAt(): number | undefined;
  /** The same for what could not be removed and is to be tried again. */
  retryAt(): number | undefined;
}

export function createUninstalled(deps: UninstalledDeps): Uninstalled {
  const { store, standing, now, logger } = deps;
  const patience = createPatience(deps.retry, now);
  let listedAt = 0;
  const keyOf = ({ scm, id }: ServedRepository) => `${scm}:${id}`;

  /** The App's on the account now, which may be one that nobody told of; `undefined`: there is none. */
  async function stateOnGitHub(
    ownerId: string,
    own: readonly ServedRepository[],
  ): Promise<KnownInstallation['state'] | undefined> {
    const found = own[0] && (await standing.installationOn(own[0].path));
    const id = found ?? store.newestInstallation(ownerId)?.id;
    const state = id === undefined ? undefined : await standing.installation(id);
    if (id !== undefined && state !== undefined) store.putInstallation({ id, accountId: ownerId, state });
    return state;
  }

  /** Those that the forge, asked now, does serve; an App that only rests takes nothing away. */
  async function staying(own: readonly ServedRepository[]): Promise<readonly ServedRepository[]> {
    const [one] = own;
    if (one?.scm !== 'github') return [];
    const state = await stateOnGitHub(one.ownerId, own);
    if (state === 'suspended') return own;
    if (state !== 'active') return [];
    const installationId = store.newestInstallation(one.ownerId)?.id ?? null;
    const asked = { scm: one.scm, installationId, repositories: own, ownerId: one.ownerId };
    const seen = await standing.served(asked);
    return own.filter(({ id }) => seen?.has(id));
  }

  function keep(stays: readonly ServedRepository[]): void {
    for (const one of stays) store.putRepository({ ...one, removeAt: null });
    deps.toCompare(
      stays.flatMap((one) => {
        const owner = store.owner(one.scm, one.ownerId)?.slug;
        const cloneUrl = deps.cloneUrlOf(one.scm, one.path);
        return owner === undefined || cloneUrl === undefined ? [] : [toKnown(one, owner, cloneUrl)];
      }),
    );
  }

  async function removeAll(gone: readonly ServedRepository[]): Promise<void> {
    const [first] = gone;
    if (!first) return;
    const owner = store.owner(first.scm, first.ownerId)?.slug ?? null;
    const together = await deps.together(gone);
    const removed: ServedRepository[] = [];
    try {
      for (const one of gone) {
        const why: WhyRemoved = { reason: 'uninstalled', actor: deps.actor, together };
        await deps.remove(`uninstalled-${one.scm}-${one.id}-${one.removeAt}`, one, why);
        patience.done(keyOf(one));
        removed.push(one);
      }
    } finally {
      if (removed.length > 0) record(removed, owner);
    }
  }

  function record(removed: readonly ServedRepository[], owner: string | null): void {
    const who = { actor: nameOfPerson(deps.actor), action: 'remove-repository', result: 'done' } as const;
    const what = { target: namesOf(removed), owner, reason: 'uninstalled, and nobody came back in time' };
    deps.audit.record(auditEvent({ ...who, ...what, id: randomUUID(), time: now() }));
  }

  async function tryToRemove(own: readonly ServedRepository[]): Promise<boolean> {
    try {
      const stays = await staying(own);
      keep(stays);
      await removeAll(own.filter((one) => !stays.includes(one)));
    } catch (error) {
      for (const one of own) patience.failed(keyOf(one));
      const about = { err: error, repositories: namesOf(own) };
      logger.warn(about, 'what nobody came back for cannot be removed yet');
    }
    return true;
  }

  function taskOf(owner: string, own: readonly ServedRepository[]): LanedTask {
    const lanes = own.flatMap(({ scm, id, ownerId }) => [
      `${scm}:repository:${id}`,
      ...(scm === 'github' ? [`${scm}:account:${ownerId}`] : []),
    ]);
    return { key: `overdue:${owner}`, owner, lanes: [...new Set(lanes)], run: () => tryToRemove(own) };
  }

  return {
    tasks() {
      listedAt = now();
      const isOverdue = (one: ServedRepository) =>
        one.removeAt !== null && one.removeAt <= listedAt && patience.isDue(keyOf(one), listedAt);
      const due = store.repositories().filter(isOverdue);
      const owners = Map.groupBy(due, ({ scm, ownerId }) => `${scm}:account:${ownerId}`);
      return [...owners].map(([owner, own]) => taskOf(owner, own));
    },
    nextAt() {
      const times = store.repositories().map(({ removeAt }) => removeAt ?? Number.POSITIVE_INFINITY);
      const next = Math.min(...times.filter((at) => at > listedAt));
      return Number.isFinite(next) ? next : undefined;
    },
    retryAt: () => patience.nextAt(listedAt),
  };
}

/** As events would tell of it. */
export function toKnown(one: ServedRepository, owner: string, cloneUrl: string): KnownRepository {
  const { scm, id, ownerId, name, path, private: isPrivate, installationId } = one;
  const named = { id, name, owner, ownerId, path, private: isPrivate };
  const repository = { ...named, cloneUrl, defaultBranch: 'main' };
  return { scm, repository, ...(installationId === null ? {} : { installationId }) };
}
