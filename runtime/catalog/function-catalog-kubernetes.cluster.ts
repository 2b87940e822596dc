import { after, before } from 'node:test';
import { apply, clientOf } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { startFunctionOperator } from '../../test/cluster/kubernetes/function-operator.ts';
import { installFunctions } from '../../test/cluster/kubernetes/openfaas.ts';
import { describeFunctionCatalog } from '../../test/contracts/function-catalog.contract.ts';
import { type ClusterApi, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import { functionObject } from './cluster-faults-fixture.ts';
import { createKubernetesCatalog } from './function-catalog-kubernetes.ts';

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

describeFunctionCatalog('the API server', async () => {
  namespaces += 1;
  const namespace = `functions-${namespaces}`;
  const config = clientOf(await plane.kubeconfig());
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  const operator = await startFunctionOperator(api, namespace);
  const catalog = createKubernetesCatalog(
    { target: 'openfaas', namespaces: [namespace], serviceOrigin: operator.originOf },
    { api, logger },
  );
  await catalog.synced;
  const put = (owner: string, functionName: string, tag: string) =>
    apply(config, [functionObject(namespace, owner, functionName, tag)]);
  const path = `/apis/openfaas.com/v1/namespaces/${namespace}/functions`;
  return {
    catalog,
    deploy: put,
    deployBroken: (owner, functionName) => put(owner, functionName, 'broken'),
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
});
