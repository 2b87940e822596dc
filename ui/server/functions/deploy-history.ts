import type { DeployRecord } from '../../../core/deploy.ts';
import { defaultEnvironment } from '../../../core/environments.ts';
import type { EventBus } from '../../../core/events.ts';
import type { HistoryEntry, ManifestWriter } from '../../../core/manifest-writer.ts';

/** Deploys kept per function: enough to find the one that is served. */
const perFunction = 20;
/** Entries asked for when an owner is read for the first time. */
const perOwner = 20_000;
const maxOwners = 500;
/** A change that no event told of (the repository changed behind us) is seen after this long. */
const maxAgeMs = 10_000;
/** With more changed functions than this, one question for all is cheaper than one each. */
const maxSingleReads = 4;

type Changed = Set<string> | 'all';

interface OwnerHistory {
  entries: Map<string, HistoryEntry[]>;
  /** By function, the commit of its newest deploy that was looked for: one that isn't kept any more is looked for once. */
  lookedFor: Map<string, string>;
  changed: Changed;
  readAt: number;
  reading: Promise<void> | undefined;
}

/** Each function's newest deploys from git, read once for all rows and again only for what changed. */
export interface DeployHistory extends Disposable {
  /**
   * Newest first, by function. It has the commits of these deploys: whoever knows of one may be ahead of the event
   * that tells of it, since events come from another process, which may just have been away.
   */
  of(owner: string, deploys?: readonly DeployRecord[]): Promise<ReadonlyMap<string, readonly HistoryEntry[]>>;
  invalidate(owner: string, functionName: string): void;
}

interface DeployHistoryOptions {
  environment?: string | undefined;
  clock?: (() => number) | undefined;
}

export function createDeployHistory(
  writer: ManifestWriter,
  events: EventBus,
  { environment = defaultEnvironment, clock = Date.now }: DeployHistoryOptions = {},
): DeployHistory {
  const owners = new Map<string, OwnerHistory>();

  function invalidate(owner: string, functionName: string): void {
    const known = owners.get(owner);
    if (known && known.changed !== 'all') known.changed.add(functionName);
  }

  const isHere = (place: { environment?: string | undefined }) =>
    (place.environment ?? defaultEnvironment) === environment;
  function invalidateDeploys(deploys: readonly DeployRecord[]): void {
    for (const deploy of deploys) {
      const { functionName, gitopsCommit, owner } = deploy;
      if (functionName === null || gitopsCommit === null || !isHere(deploy)) continue;
      const known = owners.get(owner)?.entries.get(functionName);
      if (!known?.some((entry) => entry.commit === gitopsCommit)) invalidate(owner, functionName);
    }
  }

  function lookFor(owner: string, deploys: readonly DeployRecord[]): void {
    const { lookedFor } = historyOf(owner);
    const isNew = ({ functionName, gitopsCommit }: DeployRecord) =>
      functionName !== null && gitopsCommit !== null && lookedFor.get(functionName) !== gitopsCommit;
    const unknown = deploys.filter(isNew);
    invalidateDeploys(unknown);
    for (const { functionName, gitopsCommit } of unknown)
      lookedFor.set(functionName ?? '', gitopsCommit ?? '');
  }

  function invalidateAll(): void {
    for (const known of owners.values()) known.changed = 'all';
  }

  const unsubscribe = events.subscribe((event) => {
    if (event.type === 'events.missed') invalidateAll();
    if (event.type === 'history.changed' && isHere(event)) invalidate(event.owner, event.functionName);
    if (event.type === 'push.changed') invalidateDeploys(event.push.deploys);
  });

  function historyOf(owner: string): OwnerHistory {
    const known = owners.get(owner) ?? {
      entries: new Map(),
      lookedFor: new Map(),
      changed: 'all' as const,
      readAt: 0,
      reading: undefined,
    };
    // Re-inserted so that the one not asked for the longest is dropped first.
    owners.delete(owner);
    owners.set(owner, known);
    const oldest = owners.keys().next().value;
    if (owners.size > maxOwners && oldest !== undefined) owners.delete(oldest);
    return known;
  }

  async function read(owner: string, history: OwnerHistory): Promise<void> {
    const changed = history.changed;
    history.changed = new Set();
    try {
      if (changed === 'all' || changed.size > maxSingleReads) {
        history.entries = grouped(await writer.history({ owner, environment, limit: perOwner }));
        history.readAt = clock();
        return;
      }
      for (const functionName of changed) {
        const entries = await writer.history({ owner, environment, functionName, limit: perFunction });
        history.entries.set(functionName, entries);
      }
    } catch (error) {
      history.changed = 'all';
      throw error;
    }
  }

  return {
    invalidate,
    async of(owner, deploys = []) {
      lookFor(owner, deploys);
      const history = historyOf(owner);
      if (!history.reading && clock() - history.readAt > maxAgeMs) history.changed = 'all';
      // A read that began before a change does not show it: whoever comes after the change waits for the next one.
      for (let round = 0; round < 3 && (history.reading || isStale(history)); round++) {
        history.reading ??= read(owner, history).finally(() => {
          history.reading = undefined;
        });
        await history.reading;
      }
      return history.entries;
    },
    [Symbol.dispose]: unsubscribe,
  };
}

function isStale(history: OwnerHistory): boolean {
  return history.changed === 'all' || history.changed.size > 0;
}

function grouped(entries: readonly HistoryEntry[]): Map<string, HistoryEntry[]> {
  const groups = new Map<string, HistoryEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.functionName);
    if (!group) groups.set(entry.functionName, [entry]);
    else if (group.length < perFunction) group.push(entry);
  }
  return groups;
}
