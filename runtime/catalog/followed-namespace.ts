import type { Unseen } from '../../core/catalog.ts';
import type { ClusterApi, ClusterObject } from '../kubernetes/cluster-api.ts';
import { createReflector, type ReflectorChange, type ReflectorState } from '../kubernetes/reflector.ts';
import type { FollowOptions } from './followed-kinds.ts';
import { pathIn } from './namespace-scope.ts';
import type { StaleLog } from './stale-log.ts';

export interface FollowedNamespaceOptions {
  api: ClusterApi;
  pageSize?: number | undefined;
  idleMs?: number | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
  onState: StaleLog;
  /** Something of it could be listed. */
  onListed: () => void;
}

/** One namespace of those that come and go. */
export interface FollowedNamespace extends AsyncDisposable {
  add(
    options: FollowOptions,
    project: (object: ClusterObject) => unknown,
    onChange: (change: ReflectorChange<unknown>) => void,
  ): void;
  /** Begins to follow what is extra, or ends it a while after nobody needs it any more. */
  attend(isNeeded: boolean): void;
  /** Resolves when everything has been listed once or has been out of reach for a while; what is extra, if it is followed, or cannot be. */
  settled(isExtra: boolean): Promise<void>;
  /** Why nothing of it can be seen, if so. */
  staleState(): StaleState | undefined;
  /** What keeps it from being seen. */
  unseen(): Unseen | undefined;
  /** It is gone, and everything in it. */
  leave(): Promise<void>;
}

export type StaleState = ReflectorState & { type: 'stale' };

/**
 * Milliseconds, unless the pauses between tries are given: then as long as the longest. Those who wait for all namespaces
 * wait so long for one that fails. Not shorter: an API server that restarts fails everywhere, and whoever starts
 * meanwhile shall not take over without knowing anything.
 */
const defaultPatienceMs = 10_000;

/** A function that scales up and down must not have pods listed each time. */
const lingerMs = 60_000;

interface Followed {
  settled: Promise<void>;
  isListed(): boolean;
  state(): ReflectorState;
  /** `isGone`: and so is what was in it. */
  end(isGone: boolean): Promise<void>;
}

export function openFollowedNamespace(
  name: string,
  { onState, onListed, ...common }: FollowedNamespaceOptions,
): FollowedNamespace {
  const needed: Followed[] = [];
  const extra: Followed[] = [];
  const extraKinds: (() => Followed)[] = [];
  const patienceMs = common.retry?.maxMs ?? defaultPatienceMs;
  let ending: NodeJS.Timeout | undefined;
  let isOver = false;
  let isAttended = false;

  function follow(...[options, project, onChange]: Parameters<FollowedNamespace['add']>): Followed {
    const { labelSelector, isExtra = false } = options;
    const path = pathIn(name, options.group, options.kind);
    const settled = Promise.withResolvers<void>();
    let hasEnded = false;
    let isListed = false;
    const reflector = createReflector<unknown>({
      ...{ ...common, path, labelSelector, project },
      onChange(change) {
        if (!hasEnded) onChange(change);
      },
      onState(state) {
        if (hasEnded) return;
        onState(path, isExtra, state);
        if (state.type === 'stale' && (isExtra || isLasting(state, patienceMs))) settled.resolve();
      },
    });
    reflector.synced.then(() => {
      isListed = true;
      beginExtra();
      settled.resolve();
      onListed();
    });
    return {
      settled: settled.promise,
      state: reflector.state,
      isListed: () => isListed,
      async end(isGone) {
        hasEnded = true;
        settled.resolve();
        onState(path, isExtra, undefined);
        if (isGone) for (const [key, before] of reflector.table) onChange({ key, before, after: undefined });
        await reflector[Symbol.asyncDispose]();
      },
    };
  }

  /** Not before all that is needed is there: of parts that come one by one every function looks unfinished. */
  function beginExtra(): void {
    if (isOver || !isAttended || extra.length > 0) return;
    if (needed.every((one) => one.isListed())) extra.push(...extraKinds.map((begin) => begin()));
  }

  function staleState(): StaleState | undefined {
    for (const one of needed) {
      const state = one.state();
      if (state.type === 'stale') return state;
    }
    return undefined;
  }

  async function endAll(isGone: boolean): Promise<void> {
    isOver = true;
    clearTimeout(ending);
    await Promise.all([...needed, ...extra].map((one) => one.end(isGone)));
  }

  return {
    add(...kind) {
      if (kind[0].isExtra) extraKinds.push(() => follow(...kind));
      else needed.push(follow(...kind));
    },
    attend(isNeeded) {
      clearTimeout(ending);
      // What was on its way to being told as it ended.
      if (isOver) return;
      isAttended = isNeeded;
      if (isNeeded) return beginExtra();
      ending = setTimeout(() => {
        for (const one of extra.splice(0)) void one.end(true);
      }, lingerMs).unref();
    },
    settled: (isExtra) =>
      Promise.all((isExtra ? extra : needed).map((one) => one.settled)).then(() => undefined),
    staleState,
    unseen() {
      const isBlank = !needed.every((one) => one.isListed());
      const state = staleState();
      if (!state) return isBlank ? { cause: `the namespace ${name} is being listed`, isBlank } : undefined;
      // What a tenant's set-up gives, it may not have given yet.
      const hint = state.isRefused ? ' (is its RoleBinding towline-readers there?)' : '';
      return { cause: `the namespace ${name} cannot be read: ${state.cause}${hint}`, isBlank };
    },
    leave: () => endAll(true),
    [Symbol.asyncDispose]: () => endAll(false),
  };
}

function isLasting({ isRefused = false, since }: StaleState, patienceMs: number): boolean {
  return isRefused || Date.now() - since >= patienceMs;
}
