import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { tenantNamespace } from '../../core/tenants.ts';
import { createGitOpsFixture, type GitOpsFixture, manifestOf } from '../../local/apply/gitops-fixture.ts';
import { type ClusterApi, ClusterError, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { clientOf, objectsOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { startFlux } from '../../test/cluster/kubernetes/flux.ts';
import { functionDefinition } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ServerSideApply, serverSideApply } from '../../test/cluster/kubernetes/server-side-apply.ts';
import { definitionsOf } from '../../test/cluster/tools.ts';
import { startGitHttpServer } from '../gitops-http-server.ts';
import { renderTenant } from '../render/tenant.ts';
import { rendered } from './rendered-fixture.ts';

/** For tests: a rendered repository that real Flux applies by itself, for alice and bob if no other tenants are asked for. */
export interface AppliedInstallation extends AsyncDisposable {
  plane: ControlPlane;
  api: ClusterApi;
  server: ServerSideApply;
  repository: GitOpsFixture;
  /** Of the repository. */
  url: string;
  dir: string;
  /** Commits to a tenant's folder and lets Flux look. */
  commit(owner: string, files: Record<string, string | null>): Promise<void>;
  /** Lets Flux look at the branch. */
  look(): Promise<void>;
  imageIn(namespace: string, name: string): Promise<string | undefined>;
  /** Of one of the platform's service accounts, as soon as Flux has made it. */
  tokenOf(account: string): Promise<string>;
  /** Whether `<namespace>:<account>` may do something to `<group>/<resource>[/<subresource>]`. */
  may(account: string, verb: string, resource: string, namespace: string): Promise<boolean>;
  /** By Kustomization: another value each time that Flux has worked at it. */
  lookedAt(): Promise<Map<string, string>>;
  /** Of a function in the owner's namespace. */
  imageOf(owner: string, name: string): Promise<string | undefined>;
  /** Resolves when it is applied. */
  deploy(owner: string, functionName: string, tag: string): Promise<void>;
  /** What Flux says of the tenant while it cannot apply it. */
  failureOf(owner: string): Promise<string>;
}

export interface Condition {
  type: string;
  status: string;
  message?: string;
}

export const kustomizations = '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations';
const repositoryPath = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/gitops';

export function functionText(owner: string, functionName: string, tag: string): string {
  return manifestOf({
    ...{ owner, ownerId: `id-${owner}`, functionName, repo: 'greetings', branch: 'main' },
    ...{ image: `registry.test/${owner}/${functionName}:${tag}`, sourceCommit: '1'.repeat(40) },
    environment: {},
  } as unknown as Parameters<typeof manifestOf>[0]);
}

/** `change`: what else is put in place of the files that are rendered, before the first commit. */
export async function startInstallation(
  settings: Record<string, unknown>,
  searchPath: string,
  change: (files: Map<string, string>) => Promise<void> = async () => {},
): Promise<AppliedInstallation> {
  await using stack = new AsyncDisposableStack();
  const plane = stack.use(await startControlPlane());
  const api = createClusterApi(clientOf(await plane.kubeconfig()));
  const server = serverSideApply(api);
  await server.apply([await functionDefinition()]);
  await server.define(await definitionsOf('helm-controller', 'sealed-secrets'));
  stack.use(await startFlux(plane, { watcher: true }));
  const dir = await mkdtemp(join(tmpdir(), 'towline-installed-'));
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const repository = await createGitOpsFixture(dir, searchPath);
  const git = stack.use(await startGitHttpServer({ root: dir, path: searchPath }));
  const url = `${git.url}/gitops.git`;
  const tenants = (settings['tenants'] ?? ['alice', 'bob']) as string[];
  const files = await rendered({ repository: url, tenants, publishHost: '127.0.0.1', ...settings });
  for (const owner of tenants) {
    const sentinel = renderTenant({ owner, ownerId: `id-${owner}`, namespace: 'openfaas-fn' });
    files.set(`tenants/${owner}/tenant.yaml`, sentinel);
  }
  await change(files);
  await repository.commit(Object.fromEntries(files));
  const metadata = { name: 'gitops', namespace: 'flux-system' };
  const stringData = { username: 'flux', password: 'unused' };
  await server.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject]);
  // What docs/install.md does by hand; everything else Flux does by itself.
  for (const path of [
    'flux/system/roles.yaml',
    'flux/system/admission.yaml',
    'flux/sync/repository.yaml',
    'flux/sync/kustomizations.yaml',
  ]) {
    await server.apply(objectsOf(files.get(path) ?? ''));
  }

  async function commit(owner: string, changes: Record<string, string | null>): Promise<void> {
    const paths = Object.entries(changes).map(([name, content]) => [`tenants/${owner}/${name}`, content]);
    // The manifest-writer may have pushed meanwhile.
    await repository.git('pull', '--quiet', '--rebase', 'origin', 'main');
    await repository.commit(Object.fromEntries(paths));
    await look();
  }

  async function look(): Promise<void> {
    const annotations = { 'reconcile.fluxcd.io/requestedAt': randomUUID() };
    await api.request(repositoryPath, {
      method: 'PATCH',
      patch: 'merge',
      body: { metadata: { annotations } },
    });
  }

  async function imageIn(namespace: string, name: string): Promise<string | undefined> {
    const path = `/apis/openfaas.com/v1/namespaces/${namespace}/functions/${name}`;
    const found = await api.request<{ spec: { image: string } }>(path).catch((error: unknown) => {
      if (error instanceof ClusterError && error.status === 404) return undefined;
      throw error;
    });
    return found?.spec.image;
  }
  const imageOf = (owner: string, name: string) => imageIn(tenantNamespace(owner), name);

  async function tokenOf(account: string): Promise<string> {
    const path = `/api/v1/namespaces/towline/serviceaccounts/${account}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    let token = '';
    await until(async () => {
      const { status } = await api.request<{ status: { token: string } }>(path, { method: 'POST', body });
      token = status.token;
      return true;
    }, 'Flux to make the service account');
    return token;
  }

  async function may(account: string, verb: string, resource: string, namespace: string): Promise<boolean> {
    const [group = '', name = '', subresource] = resource.split('/');
    const body = {
      ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' },
      spec: {
        user: `system:serviceaccount:${account}`,
        resourceAttributes: { group, resource: name, subresource, verb, namespace },
      },
    };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const { status } = await api.request<{ status: { allowed: boolean } }>(path, { method: 'POST', body });
    return status.allowed;
  }

  async function lookedAt(): Promise<Map<string, string>> {
    const { items } = await api.request<{ items: { metadata: { name: string; resourceVersion: string } }[] }>(
      kustomizations,
    );
    return new Map(items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
  }

  const resources = stack.move();
  return {
    ...{ plane, api, server, repository, url, dir, commit, look, imageIn, imageOf },
    ...{ tokenOf, may, lookedAt },
    async deploy(owner, functionName, tag) {
      await commit(owner, { [`${functionName}.yaml`]: functionText(owner, functionName, tag) });
      await until(
        async () => (await imageOf(owner, `${owner}-${functionName}`))?.endsWith(`:${tag}`) ?? false,
        `${owner}'s ${functionName}:${tag}`,
      );
    },
    async failureOf(owner) {
      const path = `${kustomizations}/tenant-${owner}`;
      const { status } = await api.request<{ status?: { conditions?: Condition[] } }>(path);
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'False' ? (ready.message ?? '') : '';
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
