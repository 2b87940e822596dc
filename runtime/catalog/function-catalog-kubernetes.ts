import type { CatalogChange, CatalogEntry, FunctionCatalog, FunctionStatus } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import type { ClusterApi } from '../kubernetes/cluster-api.ts';
import { createReflector, type Reflector, type ReflectorState } from '../kubernetes/reflector.ts';
import type { Logger } from '../logger.ts';
import { createFunctionIndex } from './function-index.ts';
import { entryOf } from './function-verdict.ts';
import {
  type DesiredFunction,
  deploymentOf,
  desiredOfDeployment,
  functionOf,
  knativeOf,
  type ObservedDeployment,
  type ObservedKnative,
  type PodTrouble,
  podTroubleOf,
} from './observed-function.ts';

export interface KubernetesCatalogConfig {
  /** What the manifest-writer renders. */
  target: 'openfaas' | 'knative' | 'kubernetes';
  /** The namespaces that functions are in; the API is asked for each alone, so rights there are enough. */
  namespaces: string[];
  /** Where a function's Service answers. Default: `http://<object>.<namespace>.svc:8080`. */
  serviceOrigin?: ((object: { name: string; namespace: string }) => string) | undefined;
  pageSize?: number | undefined;
  /** A watch that is silent for so long is begun anew. */
  idleMs?: number | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

export interface KubernetesCatalog extends FunctionCatalog, AsyncDisposable {
  /** Resolves when everything has been listed once: until then, "there is no such function" is not known. */
  synced: Promise<void>;
  /** The worst of what is followed: `stale` tables are the last good ones. */
  state(): ReflectorState;
}

const functionPort = 8080;
/** What has no target yet, but may get one by itself. */
const mayServe: ReadonlySet<FunctionStatus> = new Set(['Asleep', 'Deploying', 'Degraded']);
const deploymentSelectors = { openfaas: 'faas_function', kubernetes: 'towline.dev/function' } as const;

/** Routes by what the API server says; while it says nothing, by what it said last. */
export function createKubernetesCatalog(
  config: KubernetesCatalogConfig,
  { api, logger }: { api: ClusterApi; logger: Logger },
): KubernetesCatalog {
  const { target, namespaces } = config;
  const serviceOrigin =
    config.serviceOrigin ?? (({ name, namespace }) => `http://${name}.${namespace}.svc:${functionPort}`);
  const listeners = new Set<(change: CatalogChange) => void>();
  const reflectors: Reflector<unknown>[] = [];

  const index = createFunctionIndex({
    entryOf: (view) => {
      const { objectName: name, namespace } = view.desired;
      const origin = view.origin ?? serviceOrigin({ name, namespace });
      return entryOf({ ...view, targets: [{ origin }] });
    },
    onChange(change) {
      for (const listener of listeners) listener(change);
    },
  });

  const common = { api, pageSize: config.pageSize, idleMs: config.idleMs, retry: config.retry };
  const onState = (path: string) => (state: ReflectorState) => {
    if (state.type === 'stale') logger.warn({ path, cause: state.cause }, 'routing by the last good table');
    else logger.info({ path }, 'following the cluster');
  };

  function follow<T>(
    path: string,
    labelSelector: string,
    project: Parameters<typeof createReflector<T>>[0]['project'],
    put: (key: string, value: T | undefined, before: T | undefined) => void,
  ): void {
    reflectors.push(
      createReflector<T>({
        ...common,
        path,
        labelSelector,
        project,
        onChange: ({ key, before, after }) => put(key, after, before),
        onState: onState(path),
      }),
    );
  }

  for (const namespace of namespaces) {
    const within = (group: string, kind: string) => `${group}/namespaces/${namespace}/${kind}`;
    if (target === 'knative') {
      const path = within('/apis/serving.knative.dev/v1', 'services');
      follow<ObservedKnative>(path, 'towline.dev/function', knativeOf, (key, seen) =>
        index.put(key, { desired: seen?.desired, deployment: seen?.deployment, origin: seen?.origin }),
      );
      continue;
    }
    const deployments = within('/apis/apps/v1', 'deployments');
    if (target === 'openfaas') {
      const path = within('/apis/openfaas.com/v1', 'functions');
      follow<DesiredFunction>(path, 'towline.dev/function', functionOf, (key, desired) =>
        index.put(key, { desired }),
      );
      follow<ObservedDeployment>(deployments, deploymentSelectors.openfaas, deploymentOf, (key, deployment) =>
        index.put(key, { deployment }),
      );
    } else {
      follow<{ desired: DesiredFunction | undefined; deployment: ObservedDeployment | undefined }>(
        deployments,
        deploymentSelectors.kubernetes,
        (object) => ({ desired: desiredOfDeployment(object), deployment: deploymentOf(object) }),
        (key, seen) => index.put(key, { desired: seen?.desired, deployment: seen?.deployment }),
      );
    }
    const pods = within('/api/v1', 'pods');
    follow<PodTrouble>(pods, 'faas_function', podTroubleOf, (key, trouble, before) =>
      index.putTrouble(key, trouble, before),
    );
  }

  /** Until it takes requests; what cannot is said at once. */
  function becomesServing(owner: string, functionName: string, signal: AbortSignal): Promise<CatalogEntry> {
    const { promise, resolve, reject } = Promise.withResolvers<CatalogEntry>();
    const look = () => {
      const entry = index.lookup(owner, functionName);
      if (entry && entry.targets.length > 0) return resolve(entry);
      if (entry && mayServe.has(entry.status)) return;
      reject(new TowlineError('unavailable', entry?.reason ?? `there is no function ${functionName}`));
    };
    const stop = () => reject(signal.reason);
    listeners.add(look);
    signal.addEventListener('abort', stop, { once: true });
    look();
    return promise.finally(() => {
      listeners.delete(look);
      signal.removeEventListener('abort', stop);
    });
  }

  async function startSleeper(owner: string, functionName: string, signal: AbortSignal): Promise<void> {
    const sleeper = index.sleeper(owner, functionName);
    if (!sleeper) return;
    const path = `/apis/apps/v1/namespaces/${sleeper.namespace}/deployments/${sleeper.name}/scale`;
    const body = { spec: { replicas: 1 } };
    await api.request(path, { method: 'PATCH', patch: 'merge', body, signal }).catch((cause: unknown) => {
      throw new TowlineError('unavailable', `${functionName} cannot be woken`, { cause });
    });
  }

  return {
    synced: Promise.all(reflectors.map((one) => one.synced)).then(() => undefined),
    state() {
      const states = reflectors.map((one) => one.state());
      const worst = (type: ReflectorState['type']) => states.find((state) => state.type === type);
      return worst('stale') ?? worst('starting') ?? { type: 'following' };
    },
    lookup: index.lookup,
    hasOwner: index.hasOwner,
    list: index.list,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async wake(owner, functionName, signal) {
      signal.throwIfAborted();
      await startSleeper(owner, functionName, signal);
      return becomesServing(owner, functionName, signal);
    },
    // The cluster's own autoscaler watches the traffic.
    touch: () => undefined,
    async [Symbol.asyncDispose]() {
      await Promise.all(reflectors.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
