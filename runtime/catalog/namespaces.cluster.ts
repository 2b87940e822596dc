import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { KubeConfig, KubernetesObject } from '@kubernetes/client-node';
import { tenantNamespace } from '../../core/tenants.ts';
import { apply, clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import {
  type FunctionOperator,
  startFunctionOperator,
} from '../../test/cluster/kubernetes/function-operator.ts';
import { installFunctions } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ClusterApi, ClusterError, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import { functionObject } from './cluster-faults-fixture.ts';
import {
  createKubernetesCatalog,
  type KubernetesCatalog,
  type KubernetesCatalogConfig,
} from './function-catalog-kubernetes.ts';

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

async function addTenant(owner: string, environment = 'default'): Promise<void> {
  const namespace = tenantNamespace(owner, environment);
  const labels = { 'towline.dev/tenant': owner, 'towline.dev/environment': environment };
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }]);
  if (!operators.has(namespace)) operators.set(namespace, await startFunctionOperator(api, namespace));
}

const put = (namespace: string, owner: string, functionName: string, tag: string) =>
  apply(config, [functionObject(namespace, owner, functionName, tag)]);

type Scope = KubernetesCatalogConfig['namespaces'];

async function startCatalog(namespaces: Scope, environment?: string, as: ClusterApi = api) {
  const told: { object?: string; expected?: string }[] = [];
  const write = (line: string) => {
    const one = JSON.parse(line) as { object?: string; level: number };
    if (one.object !== undefined && one.level >= 40) told.push(one);
  };
  const catalog = createKubernetesCatalog(
    {
      ...{ target: 'openfaas', namespaces, retry: { firstMs: 20, maxMs: 200 } },
      namespaceOf: (owner) => tenantNamespace(owner, environment),
      otherNamespacesOf: (owner) => [tenantNamespace(owner), tenantNamespace(owner, 'staging')],
      serviceOrigin: ({ namespace, name }) =>
        operators.get(namespace)?.originOf({ name }) ?? 'http://127.0.0.1:9',
    },
    { api: as, logger: createLogger({ name: 'catalog', level: 'info' }, { write }) },
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

const ways: Record<string, { tag: string; scope: (environment: string) => Scope }> = {
  'all namespaces in one go': { tag: 'a', scope: () => 'all' },
  "tenants' namespaces one by one": { tag: 't', scope: (environment) => ({ environment }) },
};

for (const [name, { tag, scope }] of Object.entries(ways)) {
  const main = scope('default');
  /** An owner of this way's own. */
  const of = (owner: string) => `${owner}${tag}`;

  describe(`a catalog of ${name}`, () => {
    it('shows the functions of tenants that come while it runs', async () => {
      const { catalog } = await startCatalog(main);
      for (const owner of [of('alice'), of('bob')]) {
        await addTenant(owner);
        await put(tenantNamespace(owner), owner, 'hello', owner);
        await ready(catalog, owner, 'hello', owner);
      }
      const [target] = catalog.lookup(of('bob'), 'hello')?.targets ?? [];
      assert.equal(await (await fetch(target?.origin ?? '')).text(), of('bob'));
    });

    it('does not route to an object that names another owner than its namespace’s, whoever was first', async () => {
      const [carol, mallory] = [of('carol'), of('mallory')];
      for (const owner of [carol, mallory]) await addTenant(owner);
      // Before the true one, and before the catalog.
      await put(tenantNamespace(mallory), carol, 'login', 'stolen');
      const { catalog, told } = await startCatalog(main);
      assert.equal(catalog.lookup(carol, 'login'), undefined);
      await put(tenantNamespace(carol), carol, 'login', 'true');
      await ready(catalog, carol, 'login', 'true');
      // And after both.
      await put(tenantNamespace(mallory), carol, 'login', 'again');
      await put(tenantNamespace(mallory), carol, 'other', 'stolen');
      await put(tenantNamespace(mallory), mallory, 'own', 'fine');
      await ready(catalog, mallory, 'own', 'fine');
      assert.match(catalog.lookup(carol, 'login')?.image ?? '', /:true@/);
      assert.deepEqual(
        catalog.list(carol).map(({ functionName }) => functionName),
        ['login'],
      );
      // Once for each, however often it changes.
      const ofCarol = told.map(({ object = '' }) => object).filter((object) => object.includes(`/${carol}-`));
      assert.deepEqual(ofCarol.sort(), [
        `tenant-${mallory}/${carol}-login`,
        `tenant-${mallory}/${carol}-other`,
      ]);
    });

    it('keeps environments apart, and does not call one the thief of another', async () => {
      const dora = of('dora');
      await addTenant(dora);
      await addTenant(dora, 'staging');
      await put(tenantNamespace(dora), dora, 'hello', 'live');
      await put(tenantNamespace(dora, 'staging'), dora, 'hello', 'tried');
      const live = await startCatalog(main);
      const staging = await startCatalog(scope('staging'), 'staging');
      await ready(live.catalog, dora, 'hello', 'live');
      await ready(staging.catalog, dora, 'hello', 'tried');
      assert.equal(live.catalog.list(dora).length, 1);
      assert.ok(!live.told.some(({ object }) => object?.includes(dora)));
    });

    it('is refused if nobody says which namespace is whose', () => {
      const logger = createLogger({ name: 'catalog', level: 'silent' });
      const make = () => createKubernetesCatalog({ target: 'openfaas', namespaces: main }, { api, logger });
      assert.throws(make, { code: 'config_invalid' });
    });

    it('that starts while a version is on its way shows the version that serves, with its target', async () => {
      const erin = of('erin');
      await addTenant(erin);
      const { catalog: before } = await startCatalog(main);
      await put(tenantNamespace(erin), erin, 'hello', 'one');
      await ready(before, erin, 'hello', 'one');
      await put(tenantNamespace(erin), erin, 'hello', 'slow');
      await until(async () => before.lookup(erin, 'hello')?.status === 'Deploying', 'the rollout');
      const { catalog: anew } = await startCatalog(main);
      const entry = anew.lookup(erin, 'hello');
      assert.equal(entry?.status, 'Deploying');
      assert.match(entry.image ?? '', /:one@/);
      assert.deepEqual(entry.targets, before.lookup(erin, 'hello')?.targets);
      assert.equal(await (await fetch(entry.targets[0]?.origin ?? '')).text(), 'one');
    });

    it('shows who has nothing that serves as on its way, not as served, and says why it never will', async () => {
      const frank = of('frank');
      await addTenant(frank);
      await put(tenantNamespace(frank), frank, 'first', 'slow');
      const { catalog } = await startCatalog(main);
      await until(async () => catalog.lookup(frank, 'first') !== undefined, 'the function');
      const entry = catalog.lookup(frank, 'first');
      assert.deepEqual([entry?.status, entry?.image, entry?.targets], ['Deploying', null, []]);
      await put(tenantNamespace(frank), frank, 'other', 'broken');
      await until(async () => catalog.lookup(frank, 'other')?.status === 'Failed', 'it to fail');
      assert.match(catalog.lookup(frank, 'other')?.reason ?? '', /./);
    });
  });
}

describe("a catalog of tenants' namespaces, with rights in these alone", () => {
  const group = 'rbac.authorization.k8s.io';
  const account = { kind: 'ServiceAccount', name: 'reader', namespace: 'platform' };

  /** What the template gives: namespaces may be listed, and functions read where the tenant's set-up says so. */
  async function reader(): Promise<ClusterApi> {
    const rule = (apiGroups: string[], resources: string[]) => ({
      ...{ apiGroups, resources, verbs: ['get', 'list', 'watch'] },
    });
    await apply(config, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'platform' } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reader', namespace: 'platform' } },
      {
        ...{ apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: 'functions' } },
        rules: [rule(['openfaas.com'], ['functions']), rule(['apps'], ['deployments']), rule([''], ['pods'])],
      },
      {
        ...{ apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: 'namespaces' } },
        rules: [rule([''], ['namespaces'])],
      },
      {
        ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'namespaces' } },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'namespaces' },
        subjects: [account],
      },
    ] as KubernetesObject[]);
    const path = '/api/v1/namespaces/platform/serviceaccounts/reader/token';
    const { status } = await api.request<{ status: { token: string } }>(path, {
      ...{ method: 'POST', body: { spec: {} } },
    });
    return createClusterApi(clientOf(await plane.kubeconfig(status.token)));
  }

  const letIn = (owner: string) =>
    apply(config, [
      {
        ...{ apiVersion: `${group}/v1`, kind: 'RoleBinding' },
        metadata: { name: 'readers', namespace: tenantNamespace(owner) },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'functions' },
        subjects: [account],
      } as KubernetesObject,
    ]);

  const relabel = (namespace: string, labels: Record<string, string | null>) =>
    api.request(`/api/v1/namespaces/${namespace}`, {
      ...{ method: 'PATCH', patch: 'merge', body: { metadata: { labels } } },
    });

  it('is enough, and a tenant whose rights are not there yet holds up nobody', async () => {
    const as = await reader();
    for (const owner of ['olga', 'peggy']) {
      await addTenant(owner);
      await put(tenantNamespace(owner), owner, 'hello', owner);
    }
    await letIn('olga');
    const { catalog } = await startCatalog({ environment: 'default' }, undefined, as);
    await ready(catalog, 'olga', 'hello', 'olga');
    await until(async () => catalog.state().type === 'following', 'it to follow');
    assert.equal(catalog.lookup('peggy', 'hello'), undefined);
    // What is not seen of her is not taken for what is not there.
    const unseen = catalog.unseen?.('peggy');
    assert.equal(unseen?.isBlank, true);
    assert.match(unseen?.cause ?? '', /tenant-peggy cannot be read: .*403.*towline-readers/);
    assert.match(catalog.partlyStale() ?? '', /^tenant-\w+: the API server answers 403/);
    assert.equal(catalog.unseen?.('olga'), undefined);
    assert.match(catalog.unseen?.('nobody')?.cause ?? '', /has no namespace tenant-nobody/);
    assert.equal(catalog.unseen?.('nobody')?.isBlank, false);
    await letIn('peggy');
    await ready(catalog, 'peggy', 'hello', 'peggy');
    await until(async () => catalog.unseen?.('peggy') === undefined, 'all of it to be seen');
  });

  it('is ready though one namespace answers with errors for ever, and says that it does not know it', async () => {
    for (const owner of ['trent', 'ursula']) {
      await addTenant(owner);
      await put(tenantNamespace(owner), owner, 'hello', owner);
    }
    let isBroken = true;
    let failed = 0;
    const breaking: ClusterApi = {
      async request<T>(path: string, request?: Parameters<ClusterApi['request']>[1]): Promise<T> {
        if (!isBroken || !path.includes('/tenant-ursula/')) return api.request<T>(path, request);
        failed += 1;
        throw new ClusterError(500, 'InternalError', 'etcd lost it');
      },
      lines: api.lines,
    };
    const { catalog } = await startCatalog({ environment: 'default' }, undefined, breaking);
    assert.equal(catalog.state().type, 'following');
    await ready(catalog, 'trent', 'hello', 'trent');
    assert.equal(catalog.unseen?.('ursula')?.isBlank, true);
    // It was not given up at the first error.
    assert.ok(failed > 2);
    isBroken = false;
    await ready(catalog, 'ursula', 'hello', 'ursula');
    await until(async () => catalog.unseen?.('ursula') === undefined, 'it to be followed');
  });

  it('shows nothing, and is not synced, while it may see nothing anywhere', async () => {
    const as = await reader();
    await apply(config, [
      {
        ...{ apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: 'functions' } },
        rules: [],
      } as KubernetesObject,
    ]);
    let isSynced = false;
    const starting = startCatalog({ environment: 'default' }, undefined, as).then(() => {
      isSynced = true;
    });
    await until(async () => catalogs[0]?.state().type === 'stale', 'it to be refused everywhere');
    assert.equal(isSynced, false);
    await reader();
    await starting;
  });

  it('forgets what is in a namespace that is no tenant’s any more, and only that', async () => {
    await addTenant('quinn');
    await addTenant('rupert');
    for (const owner of ['quinn', 'rupert']) await put(tenantNamespace(owner), owner, 'hello', owner);
    const { catalog } = await startCatalog({ environment: 'default' });
    for (const owner of ['quinn', 'rupert']) await ready(catalog, owner, 'hello', owner);
    await relabel('tenant-quinn', { 'towline.dev/tenant': null });
    await until(async () => catalog.lookup('quinn', 'hello') === undefined, 'it to be forgotten');
    assert.match(catalog.lookup('rupert', 'hello')?.image ?? '', /rupert/);
    await relabel('tenant-quinn', { 'towline.dev/tenant': 'quinn' });
    await ready(catalog, 'quinn', 'hello', 'quinn');
  });

  it('does not follow a namespace that is labelled with a tenant after whom it is not called', async () => {
    const labels = { 'towline.dev/tenant': 'rupert', 'towline.dev/environment': 'default' };
    await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'decoy', labels } }]);
    const asked: string[] = [];
    const spy: ClusterApi = {
      request: (path, request) => {
        asked.push(path);
        return api.request(path, request);
      },
      lines: api.lines,
    };
    await startCatalog({ environment: 'default' }, undefined, spy);
    assert.ok(asked.some((path) => path.includes('/tenant-rupert/')));
    assert.ok(!asked.some((path) => path.includes('/decoy/')));
  });

  it('lists pods only where a function does not run as it should', async () => {
    await addTenant('sybil');
    await put('tenant-sybil', 'sybil', 'hello', 'fine');
    await ready((await startCatalog({ environment: 'default' })).catalog, 'sybil', 'hello', 'fine');
    const asked: string[] = [];
    const spy: ClusterApi = {
      request: (path, request) => {
        asked.push(path);
        return api.request(path, request);
      },
      lines: api.lines,
    };
    const { catalog } = await startCatalog({ environment: 'default' }, undefined, spy);
    const pods = '/api/v1/namespaces/tenant-sybil/pods';
    assert.equal(catalog.lookup('sybil', 'hello')?.status, 'Ready');
    assert.ok(!asked.includes(pods));
    await put('tenant-sybil', 'sybil', 'other', 'broken');
    await until(async () => catalog.lookup('sybil', 'other')?.status === 'Failed', 'it to fail');
    assert.ok(asked.includes(pods));
  });
});
