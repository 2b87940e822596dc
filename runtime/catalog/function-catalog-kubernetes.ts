import type {
  CatalogChange,
  CatalogEntry,
  FunctionCatalog,
  FunctionStatus,
  RouteTarget,
} from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import type { ClusterApi } from '../kubernetes/cluster-api.ts';
import type { ReflectorState } from '../kubernetes/reflector.ts';
import type { Logger } from '../logger.ts';
import { createExplained } from './explained-functions.ts';
import { type Following, type FollowingOptions, followPaths } from './followed-kinds.ts';
import { followTenants } from './followed-tenants.ts';
import { createFunctionIndex, type FunctionIndex } from './function-index.ts';
import { type BelongsHere, belongsHere, type NamespaceScope } from './namespace-scope.ts';
import { type DesiredFunction, functionOf } from './observed-function.ts';
import { knativeOf, revisionOf } from './observed-knative.ts';
import { deploymentOf, desiredOfDeployment, podOf } from './observed-workload.ts';

export interface KubernetesCatalogConfig extends NamespaceScope {
  /** What the manifest-writer renders. */
  target: 'openfaas' | 'knative' | 'kubernetes';
  /**
   * Where a function's requests are sent to. Default: its Service, `http://<object>.<namespace>.svc:8080`; with
   * Knative the address that it says itself. With Knative this may be its gateway's: functions are told apart by host.
   */
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
  /** Namespaces that cannot be followed while others can be, in one line: their tables are the last good ones, or empty. */
  partlyStale(): string | undefined;
}

const functionPort = 8080;
/** What has no target yet, but may get one by itself. */
const mayServe: ReadonlySet<FunctionStatus> = new Set(['Asleep', 'Deploying', 'Degraded']);
const ours = 'towline.dev/function';
const workloads = 'faas_function';

/** Which kinds say what about functions, and what becomes of it. */
const followers: Record<
  KubernetesCatalogConfig['target'],
  (following: Following, index: FunctionIndex, belongs: BelongsHere) => void
> = {
  openfaas(following, index, belongs) {
    following.follow(
      { group: '/apis/openfaas.com/v1', kind: 'functions', labelSelector: ours },
      (object) => functionOf(object, belongs),
      ({ key, after }) => index.put(key, { desired: after }),
    );
    following.follow(
      { group: '/apis/apps/v1', kind: 'deployments', labelSelector: workloads },
      deploymentOf,
      ({ key, after }) => index.put(key, { workload: after }),
    );
    followPods(following, index);
  },
  kubernetes(following, index, belongs) {
    following.follow(
      { group: '/apis/apps/v1', kind: 'deployments', labelSelector: ours },
      (object) => ({ desired: desiredOfDeployment(object, belongs), workload: deploymentOf(object) }),
      ({ key, after }) => index.put(key, { desired: after?.desired, workload: after?.workload }),
    );
    followPods(following, index);
  },
  knative(following, index, belongs) {
    following.follow(
      { group: '/apis/serving.knative.dev/v1', kind: 'services', labelSelector: ours },
      (object) => knativeOf(object, belongs),
      ({ key, after }) => index.put(key, { ...nothing, ...after }),
    );
    following.follow(
      { group: '/apis/serving.knative.dev/v1', kind: 'revisions', labelSelector: ours, isExtra: true },
      revisionOf,
      ({ key, after, before }) => index.putInstance(key, after, before),
    );
  },
};
const nothing = { desired: undefined, workload: undefined, readyInstance: undefined, url: undefined };

function followPods(following: Following, index: FunctionIndex): void {
  following.follow(
    { group: '/api/v1', kind: 'pods', labelSelector: workloads, isExtra: true },
    podOf,
    ({ key, after, before }) => index.putInstance(key, after, before),
  );
}

/** Routes by what the API server says; while it says nothing, by what it said last. */
export function createKubernetesCatalog(
  config: KubernetesCatalogConfig,
  { api, logger }: { api: ClusterApi; logger: Logger },
): KubernetesCatalog {
  // Before anything is followed: it refuses a scope that makes no sense.
  const belongs = belongsHere(config, logger);
  const listeners = new Set<(change: CatalogChange) => void>();
  const index = createFunctionIndex({
    targetsOf: targetsBy(config),
    onChange(change) {
      explained(change);
      for (const listener of listeners) listener(change);
    },
  });
  const { pageSize, idleMs, retry } = config;
  const following = followScope({ scope: config, api, logger, pageSize, idleMs, retry });
  const { namespaceOf } = config;
  const explained = namespaceOf ? createExplained(namespaceOf, following.attend) : () => undefined;
  followers[config.target](following, index, belongs);

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
    synced: following.synced(),
    state: following.state,
    partlyStale: following.partlyStale,
    unseen: (owner) => following.unseen(namespaceOf?.(owner) ?? ''),
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
    [Symbol.asyncDispose]: () => following[Symbol.asyncDispose](),
  };
}

function followScope(options: FollowingOptions): Following {
  const { namespaces } = options.scope;
  if (namespaces === 'all' || !('environment' in namespaces)) return followPaths(options);
  return followTenants({ ...options, scope: { ...options.scope, namespaces } });
}

type Addressed = Pick<DesiredFunction, 'objectName' | 'namespace'>;

function targetsBy({ target, serviceOrigin }: KubernetesCatalogConfig) {
  const originOf =
    serviceOrigin ??
    (({ name, namespace }: { name: string; namespace: string }) =>
      `http://${name}.${namespace}.svc:${functionPort}`);
  const addressed = ({ objectName: name, namespace }: Addressed) => ({ name, namespace });
  if (target !== 'knative') return (desired: Addressed) => [{ origin: originOf(addressed(desired)) }];
  return (desired: Addressed, url: string | undefined): RouteTarget[] => {
    const own = url === undefined ? null : URL.parse(url);
    if (own === null) return [];
    const origin = serviceOrigin ? serviceOrigin(addressed(desired)) : own.origin;
    return [{ origin, host: own.host }];
  };
}
