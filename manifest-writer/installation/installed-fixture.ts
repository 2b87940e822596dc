import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
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

/** For tests: a rendered repository that real Flux applies by itself, for alice and bob. */
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

export async function startInstallation(
  settings: Record<string, unknown>,
  searchPath: string,
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
  const files = await rendered({ repository: url, tenants: ['alice', 'bob'], ...settings });
  for (const owner of ['alice', 'bob']) {
    const sentinel = renderTenant({ owner, ownerId: `id-${owner}`, namespace: 'openfaas-fn' });
    files.set(`tenants/${owner}/tenant.yaml`, sentinel);
  }
  await repository.commit(Object.fromEntries(files));
  const metadata = { name: 'gitops', namespace: 'flux-system' };
  const stringData = { username: 'flux', password: 'unused' };
  await server.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject]);
  // What docs/install.md does by hand; everything else Flux does by itself.
  for (const path of [
    'flux/system/roles.yaml',
    'flux/sync/repository.yaml',
    'flux/sync/kustomizations.yaml',
  ]) {
    await server.apply(objectsOf(files.get(path) ?? ''));
  }

  async function commit(owner: string, changes: Record<string, string | null>): Promise<void> {
    const paths = Object.entries(changes).map(([name, content]) => [`tenants/${owner}/${name}`, content]);
    const head = await repository.commit(Object.fromEntries(paths));
    const annotations = { 'reconcile.fluxcd.io/requestedAt': head };
    await api.request(repositoryPath, {
      method: 'PATCH',
      patch: 'merge',
      body: { metadata: { annotations } },
    });
  }

  async function imageOf(owner: string, name: string): Promise<string | undefined> {
    const path = `/apis/openfaas.com/v1/namespaces/tenant-${owner}/functions/${name}`;
    const found = await api.request<{ spec: { image: string } }>(path).catch((error: unknown) => {
      if (error instanceof ClusterError && error.status === 404) return undefined;
      throw error;
    });
    return found?.spec.image;
  }

  const resources = stack.move();
  return {
    ...{ plane, api, server, repository, url, dir, commit, imageOf },
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
