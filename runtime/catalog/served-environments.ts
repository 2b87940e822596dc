import { defaultEnvironment, type ServedEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { tenantNamespace } from '../../core/tenants.ts';
import {
  type EnvironmentRules,
  environmentNamespace,
  implicitDefault,
  withDefault,
} from '../installation/environment-rules.ts';
import type { InstallationRules } from '../installation/installation.ts';
import type { ClusterApi } from '../kubernetes/cluster-api.ts';
import { type FollowedNamespaces, serviceOriginOf } from '../kubernetes/cluster-settings.ts';
import type { Logger } from '../logger.ts';
import { type Addresses, functionUrlsOf, rootDomainOf } from '../program/address-settings.ts';
import { createKubernetesCatalog, type KubernetesCatalog } from './function-catalog-kubernetes.ts';
import type { NamespaceScope } from './namespace-scope.ts';

export interface ServedEnvironmentsConfig extends Addresses {
  namespacePerTenant: boolean;
  followedNamespaces: FollowedNamespaces;
  functionAddress: string | undefined;
}

/** One environment, as the API server has it. */
export interface ClusterEnvironment extends ServedEnvironment {
  catalog: KubernetesCatalog;
  /** Functions answer at `<owner>.<rootDomain>`. */
  rootDomain: string;
}

/** All environments of an installation, each with a catalog of its own. */
export interface ServedEnvironments extends AsyncDisposable {
  /** In the order in which they are shown. */
  list: readonly ClusterEnvironment[];
  main: ClusterEnvironment;
  catalogOf(environment?: string): KubernetesCatalog | undefined;
  functionUrl(owner: string, functionName: string, environment?: string): string;
  /** Resolves when every catalog has been listed once. */
  synced: Promise<void>;
  /** `undefined` from then on. */
  whyNotReady(): string | undefined;
  /** Environments whose table is the last good one: since when (ISO 8601), and why; or of which tenants it is. */
  staleness(): Record<string, string>;
}

/** Throws `config_invalid`. */
export function openServedEnvironments(
  config: ServedEnvironmentsConfig,
  rules: InstallationRules,
  { api, logger }: { api: ClusterApi; logger: Logger },
): ServedEnvironments {
  const all = withDefault(rules.environments, implicitDefault);
  const elsewhere = all.find(({ cluster }) => cluster !== '');
  if (elsewhere) {
    const { name, cluster } = elsewhere;
    throw new TowlineError(
      'config_invalid',
      `the environment "${name}" is in the cluster "${cluster}": functions of other clusters cannot be followed from here`,
      { hint: 'leave `cluster` out, or give that cluster an installation of its own' },
    );
  }
  const serviceOrigin = serviceOriginOf(config.functionAddress);
  const list = all.map((one): ClusterEnvironment => {
    const { name } = one;
    const catalog = createKubernetesCatalog(
      { ...scopeOf(one, all, config), target: rules.target, serviceOrigin },
      { api, logger: name === defaultEnvironment ? logger : logger.child({ environment: name }) },
    );
    return {
      name,
      catalog,
      rootDomain: rootDomainOf(config, name),
      functionUrl: functionUrlsOf(config, name),
    };
  });
  const catalogOf = (environment: string = defaultEnvironment) =>
    list.find(({ name }) => name === environment)?.catalog;
  const main = list.find(({ name }) => name === defaultEnvironment);
  if (!main) throw new TowlineError('internal', 'there is no default environment');
  let isSynced = false;
  const synced = Promise.all(list.map(({ catalog }) => catalog.synced)).then(() => {
    isSynced = true;
  });
  // Whoever does not wait for it need not handle that it never comes.
  synced.catch(() => undefined);
  return {
    list,
    main,
    catalogOf,
    functionUrl: (owner, functionName, environment = defaultEnvironment) =>
      functionUrlsOf(config, environment)(owner, functionName),
    synced,
    whyNotReady() {
      if (isSynced) return undefined;
      const state = list.map(({ catalog }) => catalog.state()).find(({ type }) => type === 'stale');
      return state?.type === 'stale'
        ? `the functions of the cluster cannot be listed: ${state.cause}`
        : 'the functions of the cluster are being listed';
    },
    staleness() {
      const all: Record<string, string> = {};
      for (const { name, catalog } of list) {
        const state = catalog.state();
        const partly = catalog.partlyStale();
        if (partly !== undefined) all[`partly stale ${name}`] = partly;
        if (state.type !== 'stale') continue;
        all[`stale ${name}`] = `since ${new Date(state.since).toISOString()}: ${state.cause}`;
      }
      return all;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(list.map(({ catalog }) => catalog[Symbol.asyncDispose]()));
    },
  };
}

function scopeOf(
  one: EnvironmentRules,
  all: readonly EnvironmentRules[],
  { namespacePerTenant, followedNamespaces }: ServedEnvironmentsConfig,
): NamespaceScope {
  if (!namespacePerTenant) return { namespaces: [environmentNamespace(one)] };
  const others = all.filter((other) => other !== one).map(({ name }) => name);
  return {
    namespaces: followedNamespaces === 'all' ? 'all' : { environment: one.name },
    namespaceOf: (owner) => tenantNamespace(owner, one.name),
    otherNamespacesOf: (owner) => others.map((name) => tenantNamespace(owner, name)),
  };
}
