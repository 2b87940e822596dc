import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { KubeConfig } from '@kubernetes/client-node';
import { tenantNamespace } from '../../core/tenants.ts';
import { apply, clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import {
  type FunctionOperator,
  startFunctionOperator,
} from '../../test/cluster/kubernetes/function-operator.ts';
import { installFunctions } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ClusterApi, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import { functionObject } from './cluster-faults-fixture.ts';
import { createKubernetesCatalog, type KubernetesCatalog } from './function-catalog-kubernetes.ts';

let plane: ControlPlane;
let api: ClusterApi;
let config: KubeConfig;
const operators = new Map<string, FunctionOperator>();
before(async () => {
  plane = await startControlPlane();
  config = clientOf(await plane.kubeconfig());
  await installFunctions(config);
  api = createClusterApi(config);
});
after(async () => {
  for (const operator of operators.values()) await operator[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
});

const catalogs: KubernetesCatalog[] = [];
afterEach(async () => {
  for (const one of catalogs.splice(0)) await one[Symbol.asyncDispose]();
});

async function addTenant(namespace: string): Promise<void> {
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  if (!operators.has(namespace)) operators.set(namespace, await startFunctionOperator(api, namespace));
}

const put = (namespace: string, owner: string, functionName: string, tag: string) =>
  apply(config, [functionObject(namespace, owner, functionName, tag)]);

async function startCatalog(environment?: string) {
  const told: { object?: string; expected?: string }[] = [];
  const write = (line: string) => {
    const one = JSON.parse(line) as { object?: string; level: number };
    if (one.object !== undefined && one.level >= 40) told.push(one);
  };
  const catalog = createKubernetesCatalog(
    {
      ...{ target: 'openfaas', namespaces: 'all' },
      namespaceOf: (owner) => tenantNamespace(owner, environment),
      otherNamespacesOf: (owner) => [tenantNamespace(owner), tenantNamespace(owner, 'staging')],
      serviceOrigin: ({ namespace, name }) =>
        operators.get(namespace)?.originOf({ name }) ?? 'http://127.0.0.1:9',
    },
    { api, logger: createLogger({ name: 'catalog', level: 'info' }, { write }) },
  );
  catalogs.push(catalog);
  await catalog.synced;
  return { catalog, told };
}

const ready = (catalog: KubernetesCatalog, owner: string, name: string, tag: string) =>
  until(
    async () => catalog.lookup(owner, name)?.image?.includes(`:${tag}@`) ?? false,
    `${owner}/${name} to be served as ${tag}`,
  );

describe('a catalog of all namespaces', () => {
  it('shows the functions of tenants that come while it runs', async () => {
    const { catalog } = await startCatalog();
    for (const owner of ['alice', 'bob']) {
      await addTenant(tenantNamespace(owner));
      await put(tenantNamespace(owner), owner, 'hello', owner);
      await ready(catalog, owner, 'hello', owner);
    }
    const [target] = catalog.lookup('bob', 'hello')?.targets ?? [];
    assert.equal(await (await fetch(target?.origin ?? '')).text(), 'bob');
  });

  it('does not route to an object that names another owner than its namespace’s, whoever was first', async () => {
    for (const owner of ['carol', 'mallory']) await addTenant(tenantNamespace(owner));
    // Before the true one, and before the catalog.
    await put(tenantNamespace('mallory'), 'carol', 'login', 'stolen');
    const { catalog, told } = await startCatalog();
    assert.equal(catalog.lookup('carol', 'login'), undefined);
    await put(tenantNamespace('carol'), 'carol', 'login', 'true');
    await ready(catalog, 'carol', 'login', 'true');
    // And after both.
    await put(tenantNamespace('mallory'), 'carol', 'login', 'again');
    await put(tenantNamespace('mallory'), 'carol', 'other', 'stolen');
    await put(tenantNamespace('mallory'), 'mallory', 'own', 'fine');
    await ready(catalog, 'mallory', 'own', 'fine');
    assert.match(catalog.lookup('carol', 'login')?.image ?? '', /:true@/);
    assert.deepEqual(
      catalog.list('carol').map(({ functionName }) => functionName),
      ['login'],
    );
    // Once for each, however often it changes.
    assert.deepEqual(told.map(({ object }) => object).sort(), [
      'tenant-mallory/carol-login',
      'tenant-mallory/carol-other',
    ]);
  });

  it('keeps environments apart, and does not call one the thief of another', async () => {
    await addTenant(tenantNamespace('dora'));
    await addTenant(tenantNamespace('dora', 'staging'));
    await put(tenantNamespace('dora'), 'dora', 'hello', 'live');
    await put(tenantNamespace('dora', 'staging'), 'dora', 'hello', 'tried');
    const [main, staging] = [await startCatalog(), await startCatalog('staging')];
    await ready(main.catalog, 'dora', 'hello', 'live');
    await ready(staging.catalog, 'dora', 'hello', 'tried');
    assert.equal(main.catalog.list('dora').length, 1);
    assert.ok(!main.told.some(({ object }) => object?.includes('dora')));
  });

  it('is refused if nobody says which namespace is whose', () => {
    const logger = createLogger({ name: 'catalog', level: 'silent' });
    const make = () => createKubernetesCatalog({ target: 'openfaas', namespaces: 'all' }, { api, logger });
    assert.throws(make, { code: 'config_invalid' });
  });
});

describe('a catalog that starts while a version is on its way', () => {
  it('shows the version that serves, with its target', async () => {
    const namespace = tenantNamespace('erin');
    await addTenant(namespace);
    const { catalog: before } = await startCatalog();
    await put(namespace, 'erin', 'hello', 'one');
    await ready(before, 'erin', 'hello', 'one');
    await put(namespace, 'erin', 'hello', 'slow');
    await until(async () => before.lookup('erin', 'hello')?.status === 'Deploying', 'the rollout');
    const { catalog: anew } = await startCatalog();
    const entry = anew.lookup('erin', 'hello');
    assert.equal(entry?.status, 'Deploying');
    assert.match(entry.image ?? '', /:one@/);
    assert.deepEqual(entry.targets, before.lookup('erin', 'hello')?.targets);
    assert.equal(await (await fetch(entry.targets[0]?.origin ?? '')).text(), 'one');
  });

  it('shows who has nothing that serves as on its way, not as served', async () => {
    const namespace = tenantNamespace('erin');
    await put(namespace, 'erin', 'first', 'slow');
    const { catalog } = await startCatalog();
    await until(async () => catalog.lookup('erin', 'first') !== undefined, 'the function');
    const entry = catalog.lookup('erin', 'first');
    assert.deepEqual([entry?.status, entry?.image, entry?.targets], ['Deploying', null, []]);
  });
});
