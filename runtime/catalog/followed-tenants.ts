import { setImmediate as turn } from 'node:timers/promises';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';
import { pacedApi } from '../kubernetes/paced-api.ts';
import { createReflector, type ReflectorState } from '../kubernetes/reflector.ts';
import { type Following, type FollowingOptions, staleWords } from './followed-kinds.ts';
import { type FollowedNamespace, openFollowedNamespace } from './followed-namespace.ts';
import type { NamespaceScope, TenantNamespaces } from './namespace-scope.ts';

export interface FollowedTenantsOptions extends FollowingOptions {
  scope: NamespaceScope & { namespaces: TenantNamespaces };
}

/** Requests that are on their way at once; more make an API server slow for others, and nothing faster. */
const atOnce = 16;
/** As many namespaces that cannot be followed are told of at a time; the rest is in debug lines. */
const maxTold = 10;

/**
 * Follows each tenant's namespace by itself, so that the rights which a tenant's set-up gives there are enough, and none
 * to Deployments and Pods of others are needed. What is extra is followed only where there is something to explain.
 */
export function followTenants({ scope, logger, ...options }: FollowedTenantsOptions): Following {
  const api = pacedApi(options.api, atOnce);
  const kinds: Parameters<FollowedNamespace['add']>[] = [];
  const spaces = new Map<string, FollowedNamespace>();
  const leaving = new Set<Promise<void>>();
  const stale = new Set<string>();
  /** One namespace at least could be listed, or there is none. */
  const isSeeing = Promise.withResolvers<void>();
  let isSynced = false;

  function tell(path: string, isExtra: boolean, state: ReflectorState | undefined): void {
    if (state?.type !== 'stale') {
      if (stale.delete(path) && state) logger.info({ path }, 'following the cluster');
      return;
    }
    stale.add(path);
    const level = stale.size > maxTold ? 'debug' : 'warn';
    logger[level]({ path, cause: state.cause }, staleWords[isExtra ? 'extra' : 'needed']);
  }

  function enter(name: string): void {
    const space = openFollowedNamespace(name, { ...options, api, onState: tell, onListed: isSeeing.resolve });
    for (const kind of kinds) space.add(...kind);
    spaces.set(name, space);
  }

  function leave(name: string): void {
    const left = spaces.get(name)?.leave();
    spaces.delete(name);
    if (spaces.size === 0) isSeeing.resolve();
    if (!left) return;
    leaving.add(left);
    left.finally(() => leaving.delete(left));
  }

  const namespaces = createReflector<true>({
    ...{ ...options, api, path: '/api/v1/namespaces', labelSelector: selectorOf(scope.namespaces) },
    project: (object) => (isTenants(object, scope) ? true : undefined),
    onChange({ key, before, after }) {
      const name = key.slice(1);
      if (after === undefined) leave(name);
      else if (before === undefined) enter(name);
    },
    onState(state) {
      if (state.type === 'stale') logger.warn({ cause: state.cause }, staleWords.needed);
      else logger.info({ namespaces: spaces.size }, "following tenants' namespaces");
    },
  });

  async function synced(): Promise<void> {
    await namespaces.synced;
    const known = [...spaces.values()];
    // What is refused in one namespace is that tenant's trouble; who may see nothing anywhere knows nothing.
    await Promise.all(known.map((one) => one.settled(false)));
    if (known.length > 0) await isSeeing.promise;
    isSynced = true;
    // What has been listed may have asked for explanations.
    await turn();
    await Promise.all(known.map((one) => one.settled(true)));
  }

  return {
    follow(...kind) {
      kinds.push(kind as (typeof kinds)[number]);
      for (const space of spaces.values()) space.add(...(kind as (typeof kinds)[number]));
    },
    attend: (namespace, isNeeded) => spaces.get(namespace)?.attend(isNeeded),
    synced,
    state() {
      const own = namespaces.state();
      if (own.type !== 'following') return own;
      const first = spaces.values().next().value?.staleState();
      const isBlind = first !== undefined && [...spaces.values()].every((one) => one.staleState());
      return isBlind ? first : { type: isSynced ? 'following' : 'starting' };
    },
    async [Symbol.asyncDispose]() {
      await namespaces[Symbol.asyncDispose]();
      await Promise.all([...spaces.values()].map((one) => one[Symbol.asyncDispose]()));
      await Promise.all(leaving);
    },
  };
}

const tenantLabel = 'towline.dev/tenant';

function selectorOf({ environment }: TenantNamespaces): string {
  return `${tenantLabel},towline.dev/environment=${environment}`;
}

/** Anybody who can make namespaces can label them; only those called after their tenant can have functions of it. */
function isTenants({ metadata }: ClusterObject, { namespaceOf }: NamespaceScope): boolean {
  const tenant = metadata.labels?.[tenantLabel] ?? '';
  return tenant !== '' && namespaceOf?.(tenant) === metadata.name;
}
