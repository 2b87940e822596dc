import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeConfig, KubernetesObject } from '@kubernetes/client-node';
import type { GitOpsCommits } from '../../../core/reconciler.ts';
import { createGitOpsFixture, type GitOpsFixture } from '../../../local/apply/gitops-fixture.ts';
import { startGitHttpServer } from '../../../manifest-writer/gitops-http-server.ts';
import { rendered } from '../../../manifest-writer/installation/rendered-fixture.ts';
import { renderTenant } from '../../../manifest-writer/render/tenant.ts';
import {
  createKubernetesCatalog,
  type KubernetesCatalog,
} from '../../../runtime/catalog/function-catalog-kubernetes.ts';
import { type ClusterApi, createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { ownedFolder } from '../../containers/test-owner.ts';
import { clientOf, objectsOf, until } from './apply.ts';
import { type Argo, startArgo } from './argo.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { commitsOf } from './flux-installation.ts';
import { type FunctionOperator, startFunctionOperator } from './function-operator.ts';
import { functionDefinition } from './openfaas.ts';
import { type ServerSideApply, serverSideApply } from './server-side-apply.ts';

/** The rendered repository of an installation with Argo CD, which Argo CD's own controllers follow from there on. */
export interface ArgoInstallation extends AsyncDisposable {
  plane: ControlPlane;
  argo: Argo;
  config: KubeConfig;
  /** With all rights. */
  api: ClusterApi;
  server: ServerSideApply;
  /** Of the functions of all tenants. */
  namespace: string;
  /** A person's clone. */
  repository: GitOpsFixture;
  /** The repository as everybody reaches it, with the password in it that it asks for. */
  url: string;
  dir: string;
  commits: GitOpsCommits;
  catalog: KubernetesCatalog;
  operator: FunctionOperator;
  /** Of the tenant's Application, or of one without that prefix. */
  statusOf(owner: string, prefix?: string): Promise<ApplicationStatus>;
  /** Tells Argo CD to look at it, or for folders that have none. */
  look(owner: string, prefix?: string): Promise<void>;
  /** Tells Argo CD to look at the tenant's folder, and resolves once it has applied the branch as it is. */
  untilSynced(owner: string): Promise<void>;
  /** As one of the platform's service accounts, as soon as Argo CD has made it. */
  actingAs(account: string): Promise<ClusterApi>;
}

export interface ApplicationStatus {
  sync?: { status?: string; revision?: string };
  conditions?: { type: string; message: string }[];
  operationState?: { phase?: string; message?: string };
}

const applications = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications';
const applicationSet = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/tenants';
/** A new tenant's takes the ApplicationSet, and the project before it. */
const syncTimeoutMs = 180_000;

const searchPath = process.env['PATH'] ?? '';
const namespace = 'openfaas-fn';
const logger = createLogger({ name: 'test', level: 'silent' });

export async function startArgoInstallation(tenants: readonly string[]): Promise<ArgoInstallation> {
  await using stack = new AsyncDisposableStack();
  const plane = stack.use(await startControlPlane());
  const config = clientOf(await plane.kubeconfig());
  const api = createClusterApi(config);
  const server = serverSideApply(api);
  await server.apply([await functionDefinition()]);
  const argo = stack.use(await startArgo(plane));
  const dir = await ownedFolder('argo');
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const repository = inTurn(await createGitOpsFixture(dir, searchPath));
  const commits = commitsOf(join(dir, 'gitops.git'));
  const [username, password] = ['argo', 'let-me-read'];
  const git = stack.use(
    await startGitHttpServer({
      ...{ root: dir, path: searchPath },
      allows: (user, given) => user === username && given === password,
    }),
  );
  const url = `${git.url}/gitops.git`;
  const settings = { openfaas: false, sealedSecrets: false, engine: 'argocd' };
  const files = await rendered({ repository: url, tenants, ...settings });
  for (const owner of tenants) {
    files.set(`tenants/${owner}/tenant.yaml`, renderTenant({ owner, ownerId: `id-${owner}`, namespace }));
  }
  await repository.commit(Object.fromEntries(files));
  // What docs/install.md does by hand; everything else Argo CD does by itself.
  const metadata = { name: 'gitops', namespace: 'argocd', labels: { [secretType]: 'repository' } };
  const stringData = { type: 'git', url, username, password };
  await server.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject]);
  for (const [path, text] of files) {
    if (path.startsWith('argocd/sync/')) await server.apply(objectsOf(text));
  }
  const operator = stack.use(await startFunctionOperator(api, namespace));
  const catalog = stack.use(
    createKubernetesCatalog(
      { target: 'openfaas', namespaces: [namespace], serviceOrigin: operator.originOf },
      { api, logger },
    ),
  );
  await catalog.synced;

  const annotate = (path: string, annotations: Record<string, string>) =>
    api.request(path, { method: 'PATCH', patch: 'merge', body: { metadata: { annotations } } });

  async function statusOf(owner: string, prefix = 'tenant-'): Promise<ApplicationStatus> {
    const path = `${applications}/${prefix}${owner}`;
    const { status = {} } = await api.request<{ status?: ApplicationStatus }>(path);
    return status;
  }

  async function look(owner: string, prefix = 'tenant-'): Promise<void> {
    const application = `${applications}/${prefix}${owner}`;
    await annotate(application, { 'argocd.argoproj.io/refresh': 'normal' }).catch(() =>
      annotate(applicationSet, { 'argocd.argoproj.io/application-set-refresh': 'true' }),
    );
  }

  async function untilSynced(owner: string): Promise<void> {
    const head = await repository.git('rev-parse', 'origin/main');
    const isSynced = async () => {
      const { sync: { status, revision = '' } = {}, operationState } = await statusOf(owner);
      if (status !== 'Synced' || operationState?.phase === 'Running') return false;
      // Another test may have committed since.
      return revision === head || commits.contains(revision, head);
    };
    const lookOnce = async () => {
      await look(owner);
      await until(isSynced, 'one look', 5_000).catch(() => undefined);
      return isSynced();
    };
    await until(lookOnce, `Argo CD to apply what ${owner} has`, syncTimeoutMs).catch(
      async (cause: unknown) => {
        const status = await statusOf(owner).catch(String);
        throw new Error(`Argo CD is not at ${head}: ${JSON.stringify(status)}`, { cause });
      },
    );
  }

  async function actingAs(account: string): Promise<ClusterApi> {
    const path = `/api/v1/namespaces/towline/serviceaccounts/${account}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    let token = '';
    await until(async () => {
      const { status } = await api.request<{ status: { token: string } }>(path, { method: 'POST', body });
      token = status.token;
      return true;
    }, 'Argo CD to make the service account');
    return createClusterApi(clientOf(await plane.kubeconfig(token)));
  }

  const resources = stack.move();
  return {
    ...{ plane, argo, config, api, server, namespace, repository, url, dir, catalog, operator },
    ...{ commits, actingAs, statusOf, look, untilSynced },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Tests that run at the same time share the clone. */
function inTurn(repository: GitOpsFixture): GitOpsFixture {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...repository,
    commit(files, message) {
      const made = last.then(() => repository.commit(files, message));
      last = made.catch(() => undefined);
      return made;
    },
  };
}

const secretType = 'argocd.argoproj.io/secret-type';
