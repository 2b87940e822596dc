import { after, before } from 'node:test';
import type { FunctionAccess } from '../../core/function-access.ts';
import { apply, clientOf } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { startFunctionOperator } from '../../test/cluster/kubernetes/function-operator.ts';
import { installFunctions } from '../../test/cluster/kubernetes/openfaas.ts';
import {
  describeFunctionCatalog,
  type FunctionCatalogSubject,
} from '../../test/contracts/function-catalog.contract.ts';
import { type ClusterApi, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import { functionObject } from './cluster-faults-fixture.ts';
import { createKubernetesCatalog } from './function-catalog-kubernetes.ts';
import type { NamespaceScope } from './namespace-scope.ts';

let plane: ControlPlane;
let api: ClusterApi;
let namespaces = 0;

before(async () => {
  plane = await startControlPlane();
  const config = clientOf(await plane.kubeconfig());
  await installFunctions(config);
  api = createClusterApi(config);
});
after(() => plane[Symbol.asyncDispose]());

const logger = createLogger({ name: 'catalog', level: 'silent' });

const scopes: Record<string, (namespace: string) => NamespaceScope> = {
  'the API server, a namespace that is named': (namespace) => ({ namespaces: [namespace] }),
  "the API server, tenants' namespaces": (namespace) => ({
    namespaces: { environment: 'default' },
    namespaceOf: () => namespace,
  }),
};

for (const [name, scopeOf] of Object.entries(scopes)) describeFunctionCatalog(name, () => subjectOf(scopeOf));

async function subjectOf(scopeOf: (namespace: string) => NamespaceScope): Promise<FunctionCatalogSubject> {
  namespaces += 1;
  const namespace = `functions-${namespaces}`;
  const config = clientOf(await plane.kubeconfig());
  const labels = { 'towline.dev/tenant': 'anybody', 'towline.dev/environment': 'default' };
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }]);
  const operator = await startFunctionOperator(api, namespace);
  const catalog = createKubernetesCatalog(
    { target: 'openfaas', ...scopeOf(namespace), serviceOrigin: operator.originOf },
    { api, logger },
  );
  await catalog.synced;
  const put = (owner: string, functionName: string, tag: string, access?: FunctionAccess) =>
    apply(config, [functionObject(namespace, owner, functionName, tag, access)]);
  const path = `/apis/openfaas.com/v1/namespaces/${namespace}/functions`;
  return {
    catalog,
    deploy: put,
    deployBroken: (owner, functionName, access) => put(owner, functionName, 'broken', access),
    async remove(owner, functionName) {
      await api.request(`${path}/${owner}-${functionName}`, { method: 'DELETE' });
    },
    sleep: (owner, functionName) => operator.sleep(`${owner}-${functionName}`),
    hasStableTargets: true,
    async [Symbol.asyncDispose]() {
      await catalog[Symbol.asyncDispose]();
      await operator[Symbol.asyncDispose]();
    },
  };
}
