import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type ClusterApi,
  type ClusterObject,
  createClusterApi,
} from '../../../runtime/kubernetes/cluster-api.ts';
import { ownedFolder } from '../../containers/test-owner.ts';
import { clientOf, until } from './apply.ts';

import { kubeconfigText } from './kubeconfig.ts';
import type { ControlPlane } from './plane.ts';

/** Kinds of the cluster as a whole that tests make, and Flux in their stead. */
const clusterKinds = [
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  '/api/v1/namespaces',
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
];
/** What only these have written since the test began is of the test, or of the Flux that it started. */
const managers = new Set(['test', 'kustomize-controller']);

/** A cluster that somebody else runs, as kind or k3d: used as it is, and left as it was. */
export async function givenControlPlane(kubeconfig: string): Promise<ControlPlane> {
  const config = clientOf(resolve(kubeconfig));
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error(`${kubeconfig} names no cluster`);
  const ca = Buffer.from(cluster.caData ?? '', 'base64').toString();
  const api = createClusterApi(config);
  await refuseForeignFlux(api);
  const before = await uids(api);
  const dir = await ownedFolder('given');
  let kubeconfigs = 0;
  const refuse = async () => {
    throw new Error('the API server of a given cluster is not for tests to end');
  };
  return {
    ...{ server: cluster.server, ca, dir, adminToken: config.getCurrentUser()?.token ?? '' },
    async kubeconfig(token, way = cluster.server) {
      if (token === undefined) return resolve(kubeconfig);
      kubeconfigs += 1;
      await mkdir(dir, { recursive: true });
      const path = join(dir, `kubeconfig-${kubeconfigs}.json`);
      await writeFile(path, kubeconfigText(way, ca, token), { mode: 0o600 });
      return path;
    },
    killApiServer: refuse,
    startApiServer: refuse,
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true, force: true });
      await removeNew(api, before);
    },
  };
}

/** Two Fluxes would apply each other's objects. */
async function refuseForeignFlux(api: ClusterApi): Promise<void> {
  const { items } = await list(api, '/api/v1/namespaces');
  const taken = items.find(({ metadata: { name } }) => name === 'flux-system' || name === 'towline');
  if (taken) {
    const { name, deletionTimestamp } = taken.metadata;
    const state = deletionTimestamp ? 'is still being deleted' : 'is there';
    throw new Error(`the namespace ${name} ${state} in the given cluster: give one without Flux and Towline`);
  }
}

type Managed = ClusterObject & {
  metadata: { managedFields?: { manager?: string; subresource?: string }[] };
};

function list(api: ClusterApi, path: string): Promise<{ items: Managed[] }> {
  return api.request<{ items: Managed[] }>(path);
}

async function uids(api: ClusterApi): Promise<Set<string>> {
  const lists = await Promise.all(clusterKinds.map((path) => list(api, path)));
  return new Set(lists.flatMap(({ items }) => items.map(({ metadata }) => metadata.uid ?? '')));
}

async function removeNew(api: ClusterApi, before: ReadonlySet<string>): Promise<void> {
  const isOurs = ({ metadata: { uid = '', managedFields = [] } }: Managed) =>
    !before.has(uid) &&
    managedFields.every(
      ({ manager = '', subresource }) => subresource !== undefined || managers.has(manager),
    );
  await releaseFluxObjects(api);
  const left: string[] = [];
  for (const path of clusterKinds) {
    const ours = (await list(api, path)).items.filter(isOurs).map(({ metadata }) => metadata.name);
    for (const name of ours) await api.request(`${path}/${name}`, { method: 'DELETE' });
    const names = new Set(ours);
    const isGone = async () => !(await list(api, path)).items.some((one) => names.has(one.metadata.name));
    await until(isGone, 'what the tests made to be deleted').catch(() => left.push(...ours));
  }
  if (left.length > 0) throw new Error(`the given cluster does not let go of all of ${left.join(', ')}`);
}

/** Flux has ended by now, and cannot let go of what waits for it. */
async function releaseFluxObjects(api: ClusterApi): Promise<void> {
  const groups = await list(api, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
  for (const definition of groups.items as (Managed & { spec: Definition })[]) {
    const { group, names, versions } = definition.spec;
    if (!group.endsWith('.fluxcd.io')) continue;
    const version = versions.find(({ storage }) => storage)?.name;
    for (const { metadata } of (await list(api, `/apis/${group}/${version}/${names.plural}`)).items) {
      const path = `/apis/${group}/${version}/namespaces/${metadata.namespace}/${names.plural}/${metadata.name}`;
      const body = { metadata: { finalizers: null } };
      await api.request(path, { method: 'PATCH', patch: 'merge', body }).catch(() => {});
    }
  }
}

interface Definition {
  group: string;
  names: { plural: string };
  versions: { name: string; storage: boolean }[];
}
