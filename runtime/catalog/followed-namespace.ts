import type { ClusterApi, ClusterObject } from '../kubernetes/cluster-api.ts';
import { createReflector, type ReflectorChange, type ReflectorState } from '../kubernetes/reflector.ts';
import type { FollowOptions } from './followed-kinds.ts';
import { pathIn } from './namespace-scope.ts';

export interface FollowedNamespaceOptions {
  api: ClusterApi;
  pageSize?: number | undefined;
  idleMs?: number | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
  /** `undefined`: it is followed no more. */
  onState: (path: string, isExtra: boolean, state: ReflectorState | undefined) => void;
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
  /** Resolves when everything has been listed once or been refused; what is extra, if it is followed, or cannot be. */
  settled(isExtra: boolean): Promise<void>;
  /** Why nothing of it can be seen, if so. */
  staleState(): ReflectorState | undefined;
  /** It is gone, and everything in it. */
  leave(): Promise<void>;
}

/** A function that scales up and down must not have pods listed each time. */
const lingerMs = 60_000;

interface Followed {
  settled: Promise<void>;
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
  let ending: NodeJS.Timeout | undefined;
  let isOver = false;

  function follow(...[options, project, onChange]: Parameters<FollowedNamespace['add']>): Followed {
    const { labelSelector, isExtra = false } = options;
    const path = pathIn(name, options.group, options.kind);
    const settled = Promise.withResolvers<void>();
    let hasEnded = false;
    const reflector = createReflector<unknown>({
      ...{ ...common, path, labelSelector, project },
      onChange(change) {
        if (!hasEnded) onChange(change);
      },
      onState(state) {
        if (hasEnded) return;
        onState(path, isExtra, state);
        if (state.type === 'stale' && (isExtra || state.isRefused)) settled.resolve();
      },
    });
    reflector.synced.then(() => {
      settled.resolve();
      onListed();
    });
    return {
      settled: settled.promise,
      state: reflector.state,
      async end(isGone) {
        hasEnded = true;
        settled.resolve();
        onState(path, isExtra, undefined);
        if (isGone) for (const [key, before] of reflector.table) onChange({ key, before, after: undefined });
        await reflector[Symbol.asyncDispose]();
      },
    };
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
      if (isNeeded) {
        if (extra.length === 0) extra.push(...extraKinds.map((begin) => begin()));
        return;
      }
      ending = setTimeout(() => {
        for (const one of extra.splice(0)) void one.end(true);
      }, lingerMs).unref();
    },
    settled: (isExtra) =>
      Promise.all((isExtra ? extra : needed).map((one) => one.settled)).then(() => undefined),
    staleState() {
      const states = needed.map((one) => one.state());
      return states.find(({ type }) => type === 'stale');
    },
    leave: () => endAll(true),
    [Symbol.asyncDispose]: () => endAll(false),
  };
}
