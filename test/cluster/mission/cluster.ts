import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, ClusterError, createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { clientOf, objectsOf, until } from '../kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../kubernetes/control-plane.ts';
import { type Flux, startFlux } from '../kubernetes/flux.ts';
import { functionDefinition } from '../kubernetes/openfaas.ts';
import { serverSideApply } from '../kubernetes/server-side-apply.ts';
import { definitionsOf } from '../tools.ts';

/** A cluster that follows a GitOps repository as docs/install.md sets it up: Flux applies everything else by itself. */
export interface MissionCluster extends AsyncDisposable {
  plane: ControlPlane;
  flux: Flux;
  /** Of an administrator. */
  api: ClusterApi;
  /** A kubeconfig with nothing but the rights of one of the platform's service accounts, and another way if one is given. */
  kubeconfigOf(account: string, server?: string): Promise<string>;
  /** Of the function's object; `undefined` if there is none. */
  imageOf(owner: string, functionName: string): Promise<string | undefined>;
  /** What Flux says of a tenant's folder that it cannot apply; empty if it can. */
  failureOf(owner: string): Promise<string>;
}

export interface FollowedRepository {
  username: string;
  password: string;
  /** As `npm run init-gitops` wrote them. */
  files: ReadonlyMap<string, string>;
}

interface Condition {
  type: string;
  status: string;
  message?: string;
}

export async function startMissionCluster(repository: FollowedRepository): Promise<MissionCluster> {
  await using stack = new AsyncDisposableStack();
  const plane = stack.use(await startControlPlane());
  const api = createClusterApi(clientOf(await plane.kubeconfig()));
  const server = serverSideApply(api);
  // What the charts of OpenFaaS and SealedSecrets would bring.
  await server.apply([await functionDefinition()]);
  await server.define(await definitionsOf('helm-controller', 'sealed-secrets'));
  const flux = stack.use(await startFlux(plane, { watcher: true }));
  const metadata = { name: 'gitops', namespace: flux.namespace };
  const stringData = { username: repository.username, password: repository.password };
  await server.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject]);
  for (const path of ['flux/system/roles.yaml', 'flux/sync/repository.yaml', 'flux/sync/kustomizations.yaml'])
    await server.apply(objectsOf(repository.files.get(path) ?? ''));

  const resources = stack.move();
  return {
    ...{ plane, flux, api },
    async kubeconfigOf(account, server) {
      const path = `/api/v1/namespaces/towline/serviceaccounts/${account}/token`;
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
      let token = '';
      await until(async () => {
        const answer = await api.request<{ status: { token: string } }>(path, { method: 'POST', body });
        token = answer.status.token;
        return true;
      }, `Flux to make the service account ${account}`);
      return plane.kubeconfig(token, server);
    },
    async imageOf(owner, functionName) {
      const path = `/apis/openfaas.com/v1/namespaces/tenant-${owner}/functions/${owner}-${functionName}`;
      const found = await api.request<{ spec: { image: string } }>(path).catch((error: unknown) => {
        if (error instanceof ClusterError && error.status === 404) return undefined;
        throw error;
      });
      return found?.spec.image;
    },
    async failureOf(owner) {
      const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${flux.namespace}/kustomizations/tenant-${owner}`;
      const { status } = await api.request<{ status?: { conditions?: Condition[] } }>(path);
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'False' ? (ready.message ?? '') : '';
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
