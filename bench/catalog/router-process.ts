import { createServer } from 'node:http';
import { tenantNamespace } from '../../core/tenants.ts';
import { createRouter, routerDefaults, serverOptions } from '../../router/index.ts';
import { createKubernetesCatalog } from '../../runtime/catalog/function-catalog-kubernetes.ts';
import { serviceAccountAccess } from '../../runtime/kubernetes/cluster-access.ts';
import { createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { clock, given, tell, tellSynced } from './follower.ts';

// What a router's process holds, but for its settings.
const { functions, account, server } = given();
const started = performance.now();
const logger = createLogger({ name: 'bench', level: 'warn' });
const catalog = createKubernetesCatalog(
  { target: 'openfaas', namespaces: 'all', namespaceOf: (owner) => tenantNamespace(owner) },
  { api: createClusterApi(serviceAccountAccess({ dir: account, server })), logger },
);
const router = await createRouter(routerDefaults, { catalog, pending: { pending: () => undefined }, logger });
createServer(serverOptions, (req, res) => router.handle(req, res)).listen(0, '127.0.0.1');
await catalog.synced;
const ready = catalog.list().filter(({ status }) => status === 'Ready').length;
if (ready !== functions) throw new Error(`${ready} functions are ready`);
await tellSynced(started);
catalog.subscribe(({ entry }) => {
  if (entry) tell({ type: 'changed', image: entry.desiredImage, at: clock() });
});
