import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { GitOpsCommits } from '../../../core/reconciler.ts';
import { createGitOpsFixture, type GitOpsFixture } from '../../../local/apply/gitops-fixture.ts';
import { type GitHttpServer, startGitHttpServer } from '../../../manifest-writer/gitops-http-server.ts';
import {
  createTenantPublisher,
  type TenantPublisher,
} from '../../../manifest-writer/publishing/tenant-publisher.ts';
import { renderTenant } from '../../../manifest-writer/render/tenant.ts';
import { openGitRepository } from '../../../manifest-writer/repository/manifest-repository-git.ts';
import {
  createKubernetesCatalog,
  type KubernetesCatalog,
} from '../../../runtime/catalog/function-catalog-kubernetes.ts';
import { gitEnvironment, git as runGit } from '../../../runtime/git.ts';
import { type ClusterApi, createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { createLogger, type Logger } from '../../../runtime/logger.ts';
import { ownedFolder } from '../../containers/test-owner.ts';
import { apply, clientOf, until } from './apply.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type Flux, type FluxOptions, startFlux } from './flux.ts';
import { type FunctionOperator, startFunctionOperator } from './function-operator.ts';
import { installFunctions } from './openfaas.ts';
import {
  applyTenants,
  artifactGenerator,
  type DeliveryMode,
  gitRepository,
  type TenantOptions,
  tenantNamespace,
} from './tenants.ts';

/** A cluster with Flux in it, for several installations beside each other. */
export interface FluxCluster extends AsyncDisposable {
  plane: ControlPlane;
  flux: Flux;
  config: KubeConfig;
  api: ClusterApi;
}

export async function startFluxCluster(options: FluxOptions = {}): Promise<FluxCluster> {
  await using stack = new AsyncDisposableStack();
  const plane = stack.use(await startControlPlane());
  const config = clientOf(await plane.kubeconfig());
  await installFunctions(config);
  const flux = stack.use(await startFlux(plane, options));
  const api = createClusterApi(config);
  const resources = stack.move();
  return { plane, flux, config, api, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** A GitOps repository that Flux follows, the functions' namespace, and who runs and shows them. */
export interface FluxInstallation extends AsyncDisposable {
  /** Of the GitRepository, of the functions' namespace and of its other objects. */
  name: string;
  namespace: string;
  repository: GitOpsFixture;
  /** Serves it. */
  server: GitHttpServer;
  url: string;
  dir: string;
  catalog: KubernetesCatalog;
  operator: FunctionOperator;
  commits: GitOpsCommits;
  /** In the mode `published`: it looks at the branch when it is told to. */
  publisher: TenantPublisher | undefined;
  kustomizationOf(owner: string): string;
  /** Lets Flux follow a tenant's folder. */
  addTenant(owner: string): Promise<void>;
  /** Resolves when the source controller has the branch as it is now. */
  untilFetched(): Promise<void>;
}

export interface InstallationOptions {
  name: string;
  mode?: DeliveryMode | undefined;
  logger?: Logger | undefined;
}

const silent = createLogger({ name: 'test', level: 'silent' });
const searchPath = process.env['PATH'] ?? '';
const image = /^\s*image: \S+@(sha256:[0-9a-f]{64})$/m;

export async function createFluxInstallation(
  { config, api, flux }: FluxCluster,
  { name, mode = 'repository', logger = silent }: InstallationOptions,
): Promise<FluxInstallation> {
  await using stack = new AsyncDisposableStack();
  const dir = await ownedFolder('flux');
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const repository = await createGitOpsFixture(dir, searchPath);
  await repository.commit({ 'README.md': 'What is here is what runs.' });
  const server = stack.use(await startGitHttpServer({ root: dir, path: searchPath }));
  const url = `${server.url}/gitops.git`;
  const namespace = name;
  await apply(config, tenantNamespace(namespace, flux.namespace));
  await apply(config, [gitRepository(name, flux.namespace, url)]);
  const operator = stack.use(await startFunctionOperator(api, namespace));
  const catalog = stack.use(
    createKubernetesCatalog(
      { target: 'openfaas', namespaces: [namespace], serviceOrigin: operator.originOf },
      { api, logger },
    ),
  );
  await catalog.synced;
  const kustomizationOf = (owner: string) => `${name}-${owner}`;
  if (mode === 'generator') await apply(config, [artifactGenerator(name, name, flux.namespace)]);
  const publisher = mode === 'published' ? await startPublisher() : undefined;

  async function startPublisher(): Promise<TenantPublisher> {
    const clone = stack.use(
      await openGitRepository({
        ...{ remoteUrl: url, clonePath: join(dir, 'writer.git'), branch: 'main', searchPath },
        ...{ remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
      }),
    );
    return stack.use(
      await createTenantPublisher(
        {
          ...{
            namespace: flux.namespace,
            branch: 'main',
            dir: join(dir, 'artifacts'),
            nameOf: kustomizationOf,
          },
          listen: { host: '127.0.0.1', port: 0 },
        },
        { api, repository: clone, logger },
      ),
    );
  }

  const resources = stack.move();
  return {
    ...{ name, namespace, repository, server, url, dir, catalog, operator, kustomizationOf, publisher },
    commits: commitsOf(repository.gitopsPath),
    async addTenant(owner) {
      const object = kustomizationOf(owner);
      const source: TenantOptions['source'] =
        mode === 'repository' ? { kind: 'GitRepository', name } : { kind: 'ExternalArtifact', name: object };
      await repository.commit({
        [`tenants/${owner}/tenant.yaml`]: renderTenant({ owner, ownerId: `id-${owner}`, namespace }),
      });
      await applyTenants(config, [
        {
          owner,
          namespace,
          name: object,
          fluxNamespace: flux.namespace,
          source,
        },
      ]);
    },
    async untilFetched() {
      const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${flux.namespace}/gitrepositories/${name}`;
      const head = await repository.git('rev-parse', 'HEAD');
      const annotations = { 'reconcile.fluxcd.io/requestedAt': head };
      await api.request(path, { method: 'PATCH', patch: 'merge', body: { metadata: { annotations } } });
      await until(async () => {
        const { status } = await api.request<{ status?: { artifact?: { revision: string } } }>(path);
        return status?.artifact?.revision === `main@sha1:${head}`;
      }, 'the branch');
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Asked of the repository itself. */
export function commitsOf(gitDir: string): GitOpsCommits {
  const env = gitEnvironment(searchPath, { GIT_DIR: gitDir });
  return {
    async contains(head, commit) {
      const { exitCode } = await runGit({ args: ['merge-base', '--is-ancestor', commit, head], env });
      return exitCode === 0;
    },
    async wantedDigest(commit, { owner, functionName }) {
      const path = `tenants/${owner}/${functionName}.yaml`;
      const { exitCode, stdout } = await runGit({ args: ['cat-file', 'blob', `${commit}:${path}`], env });
      return exitCode === 0 ? image.exec(stdout.toString())?.[1] : null;
    },
  };
}
