import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { KubeConfig } from '@kubernetes/client-node';
import { apply, applyDefinitions, clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { definitionsOf } from '../../test/cluster/tools.ts';
import { type ClusterApi, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import { functionObject, startTraffic } from './cluster-faults-fixture.ts';
import { createKubernetesCatalog } from './function-catalog-kubernetes.ts';

const namespace = 'functions';
const group = '/apis/serving.knative.dev/v1';
let plane: ControlPlane;
let api: ClusterApi;
let config: KubeConfig;
before(async () => {
  plane = await startControlPlane();
  config = clientOf(await plane.kubeconfig());
  api = createClusterApi(config);
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
});
after(() => plane[Symbol.asyncDispose]());

/** Knative's gateway: functions are told apart by the host that requests are sent to. */
async function startGateway() {
  const server = createServer((req, res) => {
    const known = /^alice-(\w+)\.functions\.svc\.cluster\.local$/.exec(req.headers.host ?? '');
    res.writeHead(known ? 200 : 404).end(known?.[1]);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function startCatalog(serviceOrigin?: () => string) {
  const retry = { firstMs: 20, maxMs: 200 };
  const logger = createLogger({ name: 'catalog', level: 'silent' });
  return createKubernetesCatalog(
    { target: 'knative', namespaces: [namespace], serviceOrigin, retry },
    { api, logger },
  );
}

/** What the manifest-writer renders and Knative's controllers add, as far as they are. */
async function put(functionName: string, tag: string, revisions: { ready?: string; newest: string }) {
  const { metadata, spec } = functionObject(namespace, 'alice', functionName, tag);
  const container = { name: 'function', image: spec.image };
  const template = { metadata: { labels: metadata.labels }, spec: { containers: [container] } };
  const apiVersion = 'serving.knative.dev/v1';
  await apply(config, [{ apiVersion, kind: 'Service', metadata, spec: { template } } as Applied]);
  const labels = { ...metadata.labels, 'serving.knative.dev/service': metadata.name };
  const name = `${metadata.name}-${revisions.newest}`;
  await apply(config, [
    {
      ...{ apiVersion, kind: 'Revision', metadata: { name, namespace, labels } },
      spec: { containers: [container] },
    } as Applied,
  ]);
  const { metadata: stored } = await api.request<{ metadata: { generation: number } }>(
    `${group}/namespaces/${namespace}/services/${metadata.name}`,
  );
  const isReady = revisions.ready === revisions.newest;
  if (isReady) await say(`revisions/${name}`, { conditions: [{ type: 'Ready', status: 'True' }] });
  await say(`services/${metadata.name}`, {
    observedGeneration: stored.generation,
    latestCreatedRevisionName: name,
    latestReadyRevisionName: revisions.ready && `${metadata.name}-${revisions.ready}`,
    address: { url: `http://${metadata.name}.${namespace}.svc.cluster.local` },
    conditions: [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }],
  });
}
type Applied = Parameters<typeof apply>[1][number];

const say = (object: string, status: object) =>
  api.request(`${group}/namespaces/${namespace}/${object}/status`, {
    ...{ method: 'PATCH', patch: 'merge', body: { status } },
  });

describe('functions on Knative', () => {
  it('are followed from the moment that the cluster knows their kind', async () => {
    await using catalog = await startCatalog();
    await until(async () => {
      const state = catalog.state();
      return state.type === 'stale' && /answers 404/.test(state.cause);
    }, 'the missing kind to be noticed');
    await applyDefinitions(config, await definitionsOf('knative'));
    await catalog.synced;
    await put('early', 'one', { ready: '00001', newest: '00001' });
    await until(async () => catalog.lookup('alice', 'early')?.status === 'Ready', 'the function');
    assert.deepEqual(catalog.lookup('alice', 'early')?.targets, [
      {
        origin: 'http://alice-early.functions.svc.cluster.local',
        host: 'alice-early.functions.svc.cluster.local',
      },
    ]);
  });

  it('are called by the name by which the gateway knows them', async () => {
    await using gateway = await startGateway();
    await using catalog = await startCatalog(() => gateway.origin);
    await catalog.synced;
    for (const name of ['hello', 'other']) await put(name, 'one', { ready: '00001', newest: '00001' });
    await until(async () => catalog.lookup('alice', 'other')?.status === 'Ready', 'the functions');
    await using traffic = await startTraffic(catalog, ['hello', 'other']);
    await traffic.more(6);
    assert.deepEqual([...traffic.answers.keys()], [200]);
    assert.deepEqual([...traffic.bodies].sort(), ['hello: hello', 'other: other']);
  });

  it('show what is served, also to who starts while a version is on its way', async () => {
    await put('rolling', 'one', { ready: '00001', newest: '00001' });
    await put('rolling', 'two', { ready: '00001', newest: '00002' });
    await using catalog = await startCatalog();
    await catalog.synced;
    const entry = catalog.lookup('alice', 'rolling');
    assert.deepEqual([entry?.status, entry?.reason], ['Deploying', null]);
    assert.match(entry?.image ?? '', /:one@/);
    assert.match(entry?.desiredImage ?? '', /:two@/);
    assert.equal(entry?.targets.length, 1);
    const message = 'Revision "alice-rolling-00002" failed with message: Unable to fetch image.';
    const failed = { type: 'Ready', status: 'False', reason: 'RevisionFailed', message };
    await say('services/alice-rolling', { conditions: [failed] });
    await until(async () => catalog.lookup('alice', 'rolling')?.status === 'Degraded', 'the failure');
    assert.match(catalog.lookup('alice', 'rolling')?.reason ?? '', /Unable to fetch image.*still serves/);
    assert.match(catalog.lookup('alice', 'rolling')?.image ?? '', /:one@/);
  });
});
