import type { ClusterApi, ClusterObject } from '../kubernetes/cluster-api.ts';
import {
  createReflector,
  type Reflector,
  type ReflectorChange,
  type ReflectorState,
} from '../kubernetes/reflector.ts';
import type { Logger } from '../logger.ts';
import { type NamespaceScope, pathsOf } from './namespace-scope.ts';

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
}

export const staleWords = {
  needed: 'routing by the last good table',
  extra: 'functions are shown without it',
} as const;

/** Of namespaces that are known from the beginning, or of all in one go. */
export function followPaths({ scope, api, logger, ...common }: FollowingOptions): Following {
  const all: Reflector<unknown>[] = [];
  const needed: Reflector<unknown>[] = [];
  const first: Promise<unknown>[] = [];

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
        if (state.type === 'stale') {
          logger.warn({ path, cause: state.cause }, staleWords[isExtra ? 'extra' : 'needed']);
          outOfReach.resolve();
        } else logger.info({ path }, 'following the cluster');
      },
    });
    all.push(reflector);
    if (!isExtra) needed.push(reflector);
    first.push(isExtra ? Promise.race([reflector.synced, outOfReach.promise]) : reflector.synced);
  }

  return {
    follow(options, project, onChange) {
      for (const path of pathsOf(scope, options.group, options.kind)) begin(path, options, project, onChange);
    },
    // It is followed all the time: one watch is for all of them.
    attend: () => undefined,
    synced: () => Promise.all(first).then(() => undefined),
    state() {
      const states = needed.map((one) => one.state());
      const worst = (type: ReflectorState['type']) => states.find((state) => state.type === type);
      return worst('stale') ?? worst('starting') ?? { type: 'following' };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
