import type { Unseen } from '../../core/catalog.ts';
import type { ClusterApi, ClusterObject } from '../kubernetes/cluster-api.ts';
import {
  createReflector,
  type Reflector,
  type ReflectorChange,
  type ReflectorState,
} from '../kubernetes/reflector.ts';
import type { Logger } from '../logger.ts';
import { type NamespaceScope, pathsOf } from './namespace-scope.ts';
import { createStaleLog } from './stale-log.ts';

export interface FollowOptions {
  /** Of the lists, without namespaces: `/apis/apps/v1`. */
  group: string;
  kind: string;
  labelSelector: string;
  /** Functions can be routed without it: it only says more about them. */
  isExtra?: boolean | undefined;
}

export interface FollowingOptions {
  scope: NamespaceScope;
  api: ClusterApi;
  logger: Logger;
  pageSize?: number | undefined;
  idleMs?: number | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

/** The reflectors of one catalog. */
export interface Following extends AsyncDisposable {
  follow<T>(
    options: FollowOptions,
    project: (object: ClusterObject) => T | undefined,
    onChange: (change: ReflectorChange<T>) => void,
  ): void;
  /** Whether anything there has to be explained now, for which what is extra is followed. */
  attend(namespace: string, isNeeded: boolean): void;
  /** Resolves when everything followed so far has been listed once, or turned out to be out of reach if it is extra. */
  synced(): Promise<void>;
  /** The worst of what is needed. */
  state(): ReflectorState;
  /** What keeps this namespace from being seen. */
  unseen(namespace: string): Unseen | undefined;
  /** Namespaces that cannot be followed while others can be, in one line. */
  partlyStale(): string | undefined;
}

/** Of namespaces that are known from the beginning, or of all in one go. */
export function followPaths({ scope, api, logger, ...common }: FollowingOptions): Following {
  const all: Reflector<unknown>[] = [];
  const needed: Reflector<unknown>[] = [];
  const first: Promise<unknown>[] = [];
  const tell = createStaleLog(logger);
  let isListed = false;

  function begin<T>(
    path: string,
    { labelSelector, isExtra = false }: FollowOptions,
    project: (object: ClusterObject) => T | undefined,
    onChange: (change: ReflectorChange<T>) => void,
  ): void {
    const outOfReach = Promise.withResolvers<void>();
    const reflector = createReflector<T>({
      ...{ ...common, api, path, labelSelector, project, onChange },
      onState(state) {
        tell(path, isExtra, state);
        if (state.type === 'stale') outOfReach.resolve();
      },
    });
    all.push(reflector);
    if (!isExtra) needed.push(reflector);
    first.push(isExtra ? Promise.race([reflector.synced, outOfReach.promise]) : reflector.synced);
  }

  function state(): ReflectorState {
    const states = needed.map((one) => one.state());
    const worst = (type: ReflectorState['type']) => states.find((one) => one.type === type);
    return worst('stale') ?? worst('starting') ?? { type: 'following' };
  }

  return {
    follow(options, project, onChange) {
      for (const path of pathsOf(scope, options.group, options.kind)) begin(path, options, project, onChange);
    },
    // It is followed all the time: one watch is for all of them.
    attend: () => undefined,
    async synced() {
      await Promise.all(first);
      isListed = true;
    },
    state,
    unseen() {
      const now = state();
      if (now.type === 'stale') return { cause: now.cause, isBlank: !isListed };
      return isListed ? undefined : { cause: 'the cluster is being listed', isBlank: true };
    },
    partlyStale: () => undefined,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
