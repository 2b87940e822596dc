import type { FunctionSummary } from '../../../../core/api.ts';
import { type CatalogChange, type FunctionStatus, shownStatus } from '../../../../core/catalog.ts';
import type { DeployRecord, DeployState, PushRecord } from '../../../../core/deploy.ts';

/** Pushes kept in the page; older ones are a request away. */
const maxPushes = 200;

/** What an event did to a list: a new list, or that only the platform knows. */
export interface Reduced<T> {
  list: T[];
  /** The list has to be asked for again: something in it is not in the event. */
  refetch: boolean;
}

function sameFunction(a: { owner: string; functionName: string | null }, b: typeof a): boolean {
  return a.owner === b.owner && a.functionName === b.functionName;
}

/** Status and reason change at once; number, author and subject of another commit have to be asked for. */
export function applyCatalogChange(
  list: FunctionSummary[],
  change: CatalogChange,
  environment = 'default',
): Reduced<FunctionSummary> {
  const { entry } = change;
  const known = list.find((row) => sameFunction(row, change));
  if (known && known.environment !== environment) return { list, refetch: false };
  if (!entry || !known) return { list, refetch: Boolean(known) || Boolean(entry) };
  const { hold, reason, status: serving } = entry;
  const changed = { ...known, status: shownStatus(serving, hold), serving, hold, reason };
  return {
    list: list.map((row) => (row === known ? changed : row)),
    refetch: known.status !== changed.status || known.sourceCommit !== entry.sourceCommit,
  };
}

/** The newest deploy of each function follows the push; a function never seen before needs the list again. */
export function applyPushToFunctions(list: FunctionSummary[], push: PushRecord): Reduced<FunctionSummary> {
  let refetch = false;
  let next = list;
  for (const deploy of push.deploys) {
    const known = next.find((row) => sameFunction(row, deploy));
    if (!known) {
      refetch ||= deploy.functionName !== null;
      continue;
    }
    const waiting = waitingAfter(known, deploy);
    if (waiting !== known.waiting) {
      refetch = true;
      next = next.map((row) => (sameFunction(row, deploy) ? { ...row, waiting } : row));
    }
    if (known.lastDeploy && isOlder(deploy, known.lastDeploy)) continue;
    if (known.lastDeploy?.state !== deploy.state && isFinished(deploy.state)) refetch = true;
    next = next.map((row) => (sameFunction(row, deploy) ? { ...row, lastDeploy: deploy } : row));
  }
  return { list: next, refetch };
}

/** A deploy begins to wait, or the one that waited goes on. */
function waitingAfter({ waiting }: FunctionSummary, deploy: DeployRecord): DeployRecord | null {
  if (waiting?.id === deploy.id) return deploy.state === 'held' ? waiting : null;
  if (deploy.state !== 'held' || (waiting && isOlder(deploy, waiting))) return waiting;
  return deploy;
}

function isOlder(deploy: DeployRecord, than: DeployRecord): boolean {
  if (deploy.id === than.id) return deploy.updatedAt < than.updatedAt;
  return deploy.createdAt < than.createdAt;
}

/** Newest first, each push once; a late event never replaces a newer state. */
export function applyPush(list: PushRecord[], push: PushRecord): PushRecord[] {
  const known = list.find((row) => row.id === push.id);
  if (known && known.updatedAt > push.updatedAt) return list;
  if (known) return list.map((row) => (row === known ? push : row));
  return [push, ...list].sort((a, b) => b.createdAt - a.createdAt).slice(0, maxPushes);
}

const inProgress: ReadonlySet<DeployState> = new Set(['queued', 'building', 'built', 'committed', 'applied']);

export function isFinished(state: DeployState): boolean {
  return !inProgress.has(state);
}

export type FunctionFilter = 'all' | 'failing' | 'building' | 'asleep' | 'held';

const statusFilter: Partial<Record<FunctionStatus, FunctionFilter>> = {
  Failed: 'failing',
  Degraded: 'failing',
  Queued: 'building',
  Building: 'building',
  Deploying: 'building',
  Asleep: 'asleep',
  Held: 'held',
};

/** The filters that a row counts for; a failed deploy over a healthy version is failing too. */
export function filtersOf(row: FunctionSummary): FunctionFilter[] {
  const filters = new Set<FunctionFilter>(['all']);
  const byStatus = statusFilter[row.status];
  if (byStatus) filters.add(byStatus);
  const byServing = statusFilter[row.serving];
  if (byServing) filters.add(byServing);
  if (row.lastDeploy?.state === 'failed') filters.add('failing');
  if (row.lastDeploy && !isFinished(row.lastDeploy.state)) filters.add('building');
  return [...filters];
}

export function countByFilter(rows: readonly FunctionSummary[]): Record<FunctionFilter, number> {
  const counts: Record<FunctionFilter, number> = { all: 0, failing: 0, building: 0, asleep: 0, held: 0 };
  for (const row of rows) for (const filter of filtersOf(row)) counts[filter] += 1;
  return counts;
}

function changedAt(row: FunctionSummary): number {
  return Math.max(row.deployedAt ?? 0, row.lastDeploy?.createdAt ?? 0);
}

/** Failing first, then the newest. */
export function sortFunctions(rows: readonly FunctionSummary[]): FunctionSummary[] {
  const rank = (row: FunctionSummary) => (filtersOf(row).includes('failing') ? 0 : 1);
  return [...rows].sort(
    (a, b) =>
      rank(a) - rank(b) || changedAt(b) - changedAt(a) || a.functionName.localeCompare(b.functionName),
  );
}

/** Every word of the filter is somewhere in the row. */
export function matchesText(row: FunctionSummary, text: string): boolean {
  const { functionName, repo, branch, sourceSubject, author, status, sourceCommit } = row;
  const haystack = [functionName, repo, branch, sourceSubject, author, status, sourceCommit]
    .join(' ')
    .toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}
