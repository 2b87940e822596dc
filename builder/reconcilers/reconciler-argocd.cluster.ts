import { after, before } from 'node:test';
import { createLogger } from '../../runtime/logger.ts';
import { apply, applyDefinitions } from '../../test/cluster/kubernetes/apply.ts';
import {
  argoApplication,
  argoDefinitions,
  startArgoDouble,
} from '../../test/cluster/kubernetes/argo-double.ts';
import { type FluxCluster, startFluxCluster } from '../../test/cluster/kubernetes/flux-installation.ts';
import { describeReconciler } from '../../test/contracts/reconciler.contract.ts';
import { createFollowedInstallation } from './flux-fixture.ts';
import { createArgoReconciler } from './reconciler-argocd.ts';

const namespace = 'argocd';
const logger = createLogger({ name: 'reconciler', level: 'silent' });
let cluster: FluxCluster;
before(async () => {
  cluster = await startFluxCluster();
  await applyDefinitions(cluster.config, [await argoDefinitions()]);
  await apply(cluster.config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
});
after(() => cluster[Symbol.asyncDispose]());

describeReconciler('Argo CD', async () => {
  await using stack = new AsyncDisposableStack();
  // The same repository and functions; no tenant is Flux's here.
  const base = stack.use(await createFollowedInstallation(cluster, 'repository', []));
  const { installation } = base;
  const { catalog, commits, repository, name } = installation;
  const gitDir = repository.gitopsPath;
  stack.use(await startArgoDouble(cluster.api, { namespace, gitDir, searchPath: process.env['PATH'] ?? '' }));
  const applicationOf = (owner: string) => `${name}-${owner}`;
  for (const owner of ['alice', 'bob']) {
    await apply(cluster.config, [
      argoApplication(applicationOf(owner), namespace, owner, installation.namespace),
    ]);
  }
  const reconciler = stack.use(
    createArgoReconciler(
      { namespace, applicationOf, troubleMs: 1_000 },
      { api: cluster.api, catalog, commits, logger },
    ),
  );
  await reconciler.synced;
  const resources = stack.move();
  return { ...base, reconciler, [Symbol.asyncDispose]: () => resources.disposeAsync() };
});
