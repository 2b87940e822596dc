import type { BuildService } from '../../core/build-service.ts';
import type { PendingEntry, PendingItem } from '../../core/calls/build-service-calls.ts';
import type { PendingDeploys } from '../../core/catalog.ts';
import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { EventBus } from '../../core/events.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';

export interface PendingTable {
  /** The whole table in parts, then what changes. Ends by throwing the signal's reason. */
  follow(signal: AbortSignal): AsyncGenerator<PendingItem>;
}

interface Row extends PendingEntry {
  repository: string;
}

/** Entries told at once. */
const partSize = 500;

const keyOf = (owner: string, functionName: string, environment: string) =>
  JSON.stringify([owner, functionName, environment]);
const repositoryOf = ({ owner, repo }: { owner: string; repo: string }) => `${owner}/${repo}`;

/** All that `PendingDeploys` has an answer for, so that other processes can hold it too. */
export function createPendingTable(
  builds: BuildService & PendingDeploys,
  { events, environments }: { events: EventBus; environments: readonly string[] },
): PendingTable {
  const rows = new Map<string, Row>();
  const ofRepository = new Map<string, Set<string>>();
  const changes = createChangeSignal();
  /** Keys that changed, for each reader. */
  const readers = new Set<Set<string>>();
  let filled: Promise<void> | undefined;

  function remember(key: string, row: Row): void {
    rows.set(key, row);
    const keys = ofRepository.get(row.repository) ?? new Set();
    ofRepository.set(row.repository, keys.add(key));
  }

  function forget(key: string, repository: string): void {
    rows.delete(key);
    const keys = ofRepository.get(repository);
    keys?.delete(key);
    if (keys?.size === 0) ofRepository.delete(repository);
  }

  /** Asks again about one function. */
  function refresh(of: Omit<Row, 'answer'>): void {
    const { owner, functionName, environment, repository } = of;
    const key = keyOf(owner, functionName, environment);
    const before = rows.get(key);
    const answer = builds.pending(owner, functionName, environment) ?? null;
    if (JSON.stringify(before?.answer ?? null) === JSON.stringify(answer)) return;
    if (before) forget(key, before.repository);
    if (answer) remember(key, { owner, functionName, environment, repository, answer });
    for (const changed of readers) changed.add(key);
    changes.notify();
  }

  function refreshRecord(record: DeployRecord): void {
    const { owner, functionName, environment = defaultEnvironment } = record;
    if (functionName === null) return;
    refresh({ owner, functionName, environment, repository: repositoryOf(record) });
  }

  /** What an earlier push of the repository left may have changed with it. */
  function refreshPush(push: PushRecord): void {
    for (const key of ofRepository.get(repositoryOf(push)) ?? []) {
      const row = rows.get(key);
      if (row) refresh(row);
    }
    for (const deploy of push.deploys) refreshRecord(deploy);
  }

  async function fill(): Promise<void> {
    for (const environment of environments) {
      for (const record of await builds.latestDeploys(undefined, environment)) refreshRecord(record);
    }
  }

  async function* whole(): AsyncGenerator<PendingItem> {
    const entries = [...rows.values()].map(entryOf);
    yield { isFirst: true, entries: entries.splice(0, partSize) };
    while (entries.length > 0) yield { isFirst: false, entries: entries.splice(0, partSize) };
  }

  function changedEntries(changed: Set<string>): PendingEntry[] {
    const keys = [...changed].slice(0, partSize);
    for (const key of keys) changed.delete(key);
    return keys.map((key) => {
      const row = rows.get(key);
      if (row) return entryOf(row);
      const [owner, functionName, environment] = JSON.parse(key) as [string, string, string];
      return { owner, functionName, environment, answer: null };
    });
  }

  events.subscribe((event) => {
    if (event.type === 'push.changed') refreshPush(event.push);
  });

  return {
    async *follow(signal) {
      filled ??= fill().catch((error: unknown) => {
        filled = undefined;
        throw error;
      });
      await filled;
      const changed = new Set<string>();
      readers.add(changed);
      try {
        yield* whole();
        for (;;) {
          await changes.until(() => (changed.size > 0 ? true : undefined), signal);
          yield { isFirst: false, entries: changedEntries(changed) };
        }
      } finally {
        readers.delete(changed);
      }
    },
  };
}

function entryOf({ owner, functionName, environment, answer }: Row): PendingEntry {
  return { owner, functionName, environment, answer };
}
