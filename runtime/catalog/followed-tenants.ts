import { setImmediate as turn } from 'node:timers/promises';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';
import { pacedApi } from '../kubernetes/paced-api.ts';
import { createReflector } from '../kubernetes/reflector.ts';
import type { Following, FollowingOptions } from './followed-kinds.ts';
import { type FollowedNamespace, openFollowedNamespace, type StaleState } from './followed-namespace.ts';
import type { NamespaceScope, TenantNamespaces } from './namespace-scope.ts';
import { createStaleLog } from './stale-log.ts';

export interface FollowedTenantsOptions extends FollowingOptions {
  scope: NamespaceScope & { namespaces: TenantNamespaces };
}

/** Requests that are on their way at once; more make an API server slow for others, and nothing faster. */
const atOnce = 16;
const path = '/api/v1/namespaces';

/**
 * Follows each tenant's namespace by itself, so that the rights which a tenant's set-up gives there are enough, and none
 * to Deployments and Pods of others are needed. What is extra is followed only where there is something to explain.
 */
export function followTenants({ scope, logger, ...options }: FollowedTenantsOptions): Following {
  const api = pacedApi(options.api, atOnce);
  const kinds: Parameters<FollowedNamespace['add']>[] = [];
  const spaces = new Map<string, FollowedNamespace>();
  const leaving = new Set<Promise<void>>();
  const tell = createStaleLog(logger);
  /** One namespace at least could be listed, or there is none. */
  const isSeeing = Promise.withResolvers<void>();
  let isSynced = false;

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
    ...{ ...options, api, path, labelSelector: selectorOf(scope.namespaces) },
    project: (object) => (isTenants(object, scope) ? true : undefined),
    onChange({ key, before, after }) {
      const name = key.slice(1);
      if (after === undefined) leave(name);
      else if (before === undefined) enter(name);
    },
    onState(state) {
      tell(path, false, state);
      if (state.type === 'following')
        logger.info({ namespaces: spaces.size }, "following tenants' namespaces");
    },
  });
  let isNamed = false;
  namespaces.synced.then(() => {
    isNamed = true;
  });

  /** Those that cannot be read now. */
  function stale(): [namespace: string, state: StaleState][] {
    return [...spaces].flatMap(([name, space]) => {
      const state = space.staleState();
      return state ? [[name, state] as const] : [];
    });
  }

  async function synced(): Promise<void> {
    await namespaces.synced;
    const known = [...spaces.values()];
    // What cannot be read of one namespace is that tenant's trouble; who may see nothing anywhere knows nothing.
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
    unseen(namespace) {
      const space = spaces.get(namespace);
      if (space) return space.unseen();
      const own = namespaces.state();
      if (own.type === 'stale') return { cause: own.cause, isBlank: !isNamed };
      if (!isNamed) return { cause: 'the namespaces are being listed', isBlank: true };
      return {
        cause: `the cluster has no namespace ${namespace} with its tenant's labels`,
        isBlank: false,
      };
    },
    partlyStale() {
      const [first, ...others] = stale();
      if (!first || others.length + 1 === spaces.size) return undefined;
      const [namespace, { cause }] = first;
      const more = others.length === 0 ? '' : `; and ${others.length} more of ${spaces.size}`;
      return `${namespace}: ${cause}${more}`;
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
