import type { KubeConfig, KubernetesObject } from '@kubernetes/client-node';
import { apply } from './apply.ts';

/** How a tenant's folder reaches Flux: in the repository's one artifact, or in one of its own, made by whom. */
export const deliveryModes = ['repository', 'generator', 'published'] as const;
export type DeliveryMode = (typeof deliveryModes)[number];

type TenantSource = 'GitRepository' | 'ExternalArtifact';

export interface TenantOptions {
  owner: string;
  /** Of Flux's objects. */
  fluxNamespace: string;
  /** Of the Kustomization, and of the artifact if that is its source. */
  name: string;
  /** Of the functions. */
  namespace: string;
  source: { kind: TenantSource; name: string };
  serviceAccount?: string | undefined;
}

/** The Kustomization of one tenant, as the GitOps repository's template has it. */
export function tenantKustomization(options: TenantOptions): KubernetesObject {
  const { owner, fluxNamespace, name, namespace, source, serviceAccount = 'tenants' } = options;
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace: fluxNamespace },
    spec: {
      sourceRef: source,
      path: source.kind === 'GitRepository' ? `./tenants/${owner}` : './',
      targetNamespace: namespace,
      serviceAccountName: serviceAccount,
      prune: true,
      interval: '1h',
      retryInterval: '5s',
      timeout: '30s',
      wait: false,
    },
  } as KubernetesObject;
}

/** A namespace of functions, and the right of one of Flux's service accounts to have functions and sentinels there. */
export function tenantNamespace(namespace: string, fluxNamespace: string, serviceAccount = 'tenants') {
  const metadata = { name: 'towline-tenants', namespace };
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'];
  const rules = [
    { apiGroups: ['openfaas.com'], resources: ['functions'], verbs },
    { apiGroups: [''], resources: ['configmaps'], verbs },
  ];
  const group = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules },
    {
      ...{ apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata },
      roleRef: { apiGroup: group, kind: 'Role', name: 'towline-tenants' },
      subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace: fluxNamespace }],
    },
  ] as KubernetesObject[];
}

export function gitRepository(name: string, fluxNamespace: string, url: string): KubernetesObject {
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name, namespace: fluxNamespace },
    spec: { url, ref: { branch: 'main' }, interval: '1h', timeout: '30s' },
  } as KubernetesObject;
}

export function applyTenants(config: KubeConfig, tenants: TenantOptions[]): Promise<void> {
  return apply(config, tenants.map(tenantKustomization));
}

/** Makes an artifact `<name>-<tenant>` of each tenant's folder of a GitRepository. */
export function artifactGenerator(name: string, repository: string, fluxNamespace: string): KubernetesObject {
  const copy = [{ from: '@repo/tenants/{tenant}/**', to: '@artifact/' }];
  return {
    apiVersion: 'source.extensions.fluxcd.io/v1beta1',
    kind: 'ArtifactGenerator',
    metadata: { name, namespace: fluxNamespace },
    spec: {
      sources: [{ alias: 'repo', kind: 'GitRepository', name: repository }],
      pathPattern: '@repo/tenants/{tenant}',
      artifacts: [{ name: `${name}-{tenant}`, originRevision: '@repo', copy }],
    },
  } as KubernetesObject;
}
