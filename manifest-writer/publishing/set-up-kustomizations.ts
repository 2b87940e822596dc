import type { ClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { environmentLabel, tenantLabel } from './external-artifacts.ts';

/** The account as which Flux applies set-ups, and which may make nothing else: the template's `flux/system/`. */
const setUpAccount = 'tenants';

export interface SetUpKustomization {
  /** Of the artifact, too. */
  name: string;
  owner: string;
  environment: string;
}

/** Makes what applies a set-up's artifact, or puts it right. Nobody looks at it again until the next call. */
export async function followSetUp(
  api: ClusterApi,
  namespace: string,
  { name, owner, environment }: SetUpKustomization,
  signal: AbortSignal,
): Promise<void> {
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/${name}`;
  const labels = { [tenantLabel]: owner, [environmentLabel]: environment };
  const body = {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace, labels },
    spec: {
      sourceRef: { kind: 'ExternalArtifact', name },
      path: './',
      serviceAccountName: setUpAccount,
      prune: true,
      // Who deletes it by mistake keeps the tenant.
      deletionPolicy: 'Orphan',
      interval: '1h',
      retryInterval: '15s',
      timeout: '2m',
      wait: false,
    },
  };
  const query = { fieldManager: 'towline', force: true };
  await api.request(path, { method: 'PATCH', patch: 'apply', query, body, signal });
}
