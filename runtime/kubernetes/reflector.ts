import { backoffMs } from '../backoff.ts';
import { delay } from '../lifecycle.ts';
import { type ClusterApi, ClusterError, type ClusterObject } from './cluster-api.ts';

export interface ReflectorChange<T> {
  /** `<namespace>/<name>`, or `/<name>` for what has no namespace. */
  key: string;
  before: T | undefined;
  after: T | undefined;
}

/** `stale`: the table is the last good one, and the API server could not be followed since then. */
export type ReflectorState =
  | { type: 'starting' }
  | { type: 'following' }
  /** `isRefused`: it answers, and one has no right to it. */
  | { type: 'stale'; since: number; cause: string; isRefused?: boolean };

export interface ReflectorOptions<T> {
  api: ClusterApi;
  /** Of the list, as `/apis/openfaas.com/v1/functions` or `/api/v1/namespaces/x/services`. */
  path: string;
  labelSelector?: string | undefined;
  /** What is kept of an object, so that memory is bounded by what is needed; `undefined`: nothing. */
  project(object: ClusterObject): T | undefined;
  /** Called after the table has changed, once for each object. */
  onChange?: ((change: ReflectorChange<T>) => void) | undefined;
  onState?: ((state: ReflectorState) => void) | undefined;
  /** Objects a page. Default: 100: larger pages make a process grow while it lists, for no fewer seconds. */
  pageSize?: number | undefined;
  /** A watch that says nothing for so long, not even a bookmark, is taken for dead. Default: 90,000. */
  idleMs?: number | undefined;
  /** Default: 200 ms up to 15 s. */
  retry?: { firstMs: number; maxMs: number } | undefined;
  now?: (() => number) | undefined;
  random?: (() => number) | undefined;
}

/**
 * A table that follows one kind of objects: listed in pages, then watched. Whatever fails, the last good table stays
 * readable, and following begins again: from where the watch ended, or by a new list if that is too long ago.
 */
export interface Reflector<T> extends AsyncDisposable {
  readonly table: ReadonlyMap<string, T>;
  state(): ReflectorState;
  /** Resolves when the table has been filled for the first time. */
  synced: Promise<void>;
}

interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: ClusterObject & { code?: number; reason?: string; message?: string };
}

interface List {
  metadata: { resourceVersion?: string; continue?: string };
  items: ClusterObject[];
}

/** Seconds after which the API server ends a watch: spread, so that not all begin again at once. */
const watchSeconds = { least: 240, spread: 240 };

export function createReflector<T>(options: ReflectorOptions<T>): Reflector<T> {
  const { api, path, labelSelector, project, pageSize = 100, idleMs = 90_000 } = options;
  const { retry = { firstMs: 200, maxMs: 15_000 }, now = Date.now, random = Math.random } = options;
  const table = new Map<string, T>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const firstSync = Promise.withResolvers<void>();
  let state: ReflectorState = { type: 'starting' };
  /** Where the next watch begins; `undefined`: a list is needed. */
  let version: string | undefined;

  function enter(next: ReflectorState): void {
    // "Stale since" is the moment it began, however often following fails after it.
    if (next.type === state.type && next.type === 'following') return;
    state = next.type === 'stale' && state.type === 'stale' ? { ...next, since: state.since } : next;
    options.onState?.(state);
  }

  function put(key: string, after: T | undefined): void {
    const before = table.get(key);
    if (before === undefined && after === undefined) return;
    if (after === undefined) table.delete(key);
    else table.set(key, after);
    options.onChange?.({ key, before, after });
  }

  /** Only a whole list says what is gone, so the table is changed when its last page is there. */
  function replace(listed: Map<string, T>): void {
    for (const key of [...table.keys()]) if (!listed.has(key)) put(key, undefined);
    for (const [key, kept] of listed) put(key, kept);
    firstSync.resolve();
  }

  async function list(): Promise<void> {
    const listed = new Map<string, T>();
    let next: string | undefined;
    let listedAt: string | undefined;
    do {
      const query = { labelSelector, limit: pageSize, continue: next };
      const { items, metadata }: List = await api.request<List>(path, { query, signal });
      for (const object of items) {
        const kept = project(object);
        if (kept !== undefined) listed.set(keyOf(object), kept);
      }
      next = metadata.continue || undefined;
      listedAt = metadata.resourceVersion;
    } while (next !== undefined);
    replace(listed);
    // Not before: what a broken list did not say must not be skipped by the next watch.
    version = listedAt;
  }

  function take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      throw new ClusterError(object.code ?? 500, object.reason ?? '', object.message ?? 'the watch ended');
    }
    version = object.metadata.resourceVersion ?? version;
    if (type === 'BOOKMARK') return;
    put(keyOf(object), type === 'DELETED' ? undefined : project(object));
  }

  /** Lists if it has to, and watches until the server ends the watch in order. */
  async function followOnce(): Promise<void> {
    if (version === undefined) await list();
    const query = {
      labelSelector,
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: version,
      timeoutSeconds: Math.round(watchSeconds.least + random() * watchSeconds.spread),
    };
    const onOpen = () => enter({ type: 'following' });
    for await (const event of api.lines(path, { query, idleMs, signal, onOpen })) take(event as WatchEvent);
  }

  function fail(error: unknown): void {
    if (signal.aborted) return;
    if (needsList(error)) version = undefined;
    const isRefused = error instanceof ClusterError && error.status === 403;
    enter({ type: 'stale', since: now(), cause: causeOf(error), isRefused });
  }

  async function follow(): Promise<void> {
    for (let quickEnds = 0; !signal.aborted; ) {
      const began = now();
      await followOnce().catch(fail);
      // A server that ends each watch at once must not be asked without pause.
      quickEnds = now() - began > retry.maxMs ? 0 : quickEnds + 1;
      if (quickEnds > 0) await delay(backoffMs(quickEnds, { ...retry, random }), signal).catch(() => {});
    }
  }

  const following = follow();
  return {
    table,
    state: () => state,
    synced: firstSync.promise,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await following;
    },
  };
}

function keyOf({ metadata }: ClusterObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

/** What the server refuses may have changed in the meantime: too old a version, the kind itself, one's rights. */
function needsList(error: unknown): boolean {
  return error instanceof ClusterError && error.status < 500;
}

/** One line, for operators. */
function causeOf(error: unknown): string {
  if (error instanceof ClusterError) return `the API server answers ${error.status}: ${error.message}`;
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return `the API server cannot be followed: ${cause instanceof Error ? cause.message : String(cause)}`;
}
