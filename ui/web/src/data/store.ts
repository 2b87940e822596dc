import { signal } from '@preact/signals';
import type { FunctionSummary, Me } from '../../../../core/api.ts';
import type { PushRecord } from '../../../../core/deploy.ts';
import type { PlatformEvent } from '../../../../core/events.ts';
import type { PendingRemoval } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { getJson } from './api-client.ts';
import { applyCatalogChange, applyPush, applyPushToFunctions } from './reducers.ts';

/** What the tab knows, kept up to date by the one event stream. */
export const me = signal<Me | null>(null);
export const functionsByOwner = signal<ReadonlyMap<string, FunctionSummary[]>>(new Map());
export const pushesByOwner = signal<ReadonlyMap<string, PushRecord[]>>(new Map());
export const removalsByOwner = signal<ReadonlyMap<string, PendingRemoval[]>>(new Map());
/** Goes up with everything that can change a function's detail or history; keys are `owner/function`. */
export const revisions = signal<ReadonlyMap<string, number>>(new Map());
/** Goes up when the stream lost events, so that every page asks again. */
export const resets = signal(0);

/** Events come in bursts; one request answers them all. */
const refetchDelayMs = 150;
const pendingRefetch = new Map<string, ReturnType<typeof setTimeout>>();

export function setFunctions(owner: string, list: FunctionSummary[]): void {
  functionsByOwner.value = new Map(functionsByOwner.value).set(owner, list);
}

export async function loadFunctions(owner: string, signal?: AbortSignal): Promise<void> {
  setFunctions(owner, await getJson<FunctionSummary[]>(apiPaths.functions(owner), signal));
}

export async function loadPushes(owner: string, signal?: AbortSignal): Promise<void> {
  const list = await getJson<PushRecord[]>(apiPaths.pushes(owner, { limit: 100 }), signal);
  pushesByOwner.value = new Map(pushesByOwner.value).set(owner, list);
}

export async function loadRemovals(owner: string, signal?: AbortSignal): Promise<void> {
  const list = await getJson<PendingRemoval[]>(apiPaths.removals(owner), signal);
  removalsByOwner.value = new Map(removalsByOwner.value).set(owner, list);
}

/** Whether the person may change what the owner has; the platform decides again on every request. */
export function mayChange(owner: string): boolean {
  return me.value?.mayChange.includes(owner) ?? false;
}

/** One push, kept up to date like the others from now on. */
export async function loadPush(owner: string, id: string, signal?: AbortSignal): Promise<void> {
  const push = await getJson<PushRecord>(apiPaths.push(id), signal);
  const known = pushesByOwner.value.get(owner) ?? [];
  pushesByOwner.value = new Map(pushesByOwner.value).set(owner, applyPush(known, push));
}

function refetchSoon(owner: string): void {
  if (pendingRefetch.has(owner)) return;
  const ask = () => {
    pendingRefetch.delete(owner);
    // A failure leaves the old rows; the banner says that the link is lost, and its return asks again.
    loadFunctions(owner).catch(() => undefined);
  };
  pendingRefetch.set(owner, setTimeout(ask, refetchDelayMs));
}

function bump(owner: string, functionName: string | null): void {
  if (functionName === null) return;
  const key = `${owner}/${functionName}`;
  revisions.value = new Map(revisions.value).set(key, (revisions.value.get(key) ?? 0) + 1);
}

function applyPushEvent(push: PushRecord): void {
  const { owner } = push;
  const pushes = pushesByOwner.value.get(owner);
  if (pushes) pushesByOwner.value = new Map(pushesByOwner.value).set(owner, applyPush(pushes, push));
  const functions = functionsByOwner.value.get(owner);
  if (functions) {
    const { list, refetch } = applyPushToFunctions(functions, push);
    if (list !== functions) setFunctions(owner, list);
    if (refetch) refetchSoon(owner);
  }
  for (const deploy of push.deploys) bump(owner, deploy.functionName);
}

export function applyEvent(event: PlatformEvent): void {
  if (event.type === 'push.changed') applyPushEvent(event.push);
  if (event.type === 'history.changed') {
    bump(event.owner, event.functionName);
    refetchSoon(event.owner);
  }
  if (event.type === 'removals.changed') loadRemovals(event.owner).catch(() => undefined);
  if (event.type === 'function.changed') {
    const functions = functionsByOwner.value.get(event.owner);
    if (functions) {
      const { list, refetch } = applyCatalogChange(functions, event.change, event.environment);
      if (list !== functions) setFunctions(event.owner, list);
      if (refetch) refetchSoon(event.owner);
    }
    bump(event.owner, event.change.functionName);
  }
}

/** The stream could not give what was missed: everything shown is asked for again. */
export function refetchAll(): void {
  for (const owner of functionsByOwner.value.keys()) refetchSoon(owner);
  for (const owner of pushesByOwner.value.keys()) loadPushes(owner).catch(() => undefined);
  resets.value += 1;
}

interface EmbeddedData {
  me: Me;
  functions: FunctionSummary[];
  removals: PendingRemoval[];
}

/** Whose functions the page shows: the owner in its path if the person may see it, else their own. */
function ownerOfPath(person: Me, path: string): string {
  const first = path.split('/')[1] ?? '';
  return person.owners.find((owner) => owner === first) ?? person.identity.owner;
}

/** The data that the server put into the page, or the same asked for. */
export async function loadFirst(embedded: string | null | undefined): Promise<void> {
  if (embedded) {
    const data = JSON.parse(embedded) as EmbeddedData;
    me.value = data.me;
    const owner = ownerOfPath(data.me, location.pathname);
    // The server sends the first owner's functions where the owner in the path has none.
    setFunctions(data.functions[0]?.owner ?? owner, data.functions);
    removalsByOwner.value = new Map([[owner, data.removals]]);
    return;
  }
  me.value = await getJson<Me>(apiPaths.me());
}
