import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, ClusterError, createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { clientOf, until } from './apply.ts';
import { startControlPlane } from './control-plane.ts';
import { noPods, startKwok } from './kwok.ts';
import { serverSideApply } from './server-side-apply.ts';

const namespace = 'kwok-test';
const count = 200;
const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;

interface Deployments {
  items: { status: { readyReplicas?: number } }[];
}

function deployment(name: string): KubernetesObject {
  const labels = { app: name };
  const spec = { containers: [{ name: 'function', image: 'registry.test/nothing:1' }] };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace } },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  } as KubernetesObject;
}

describe('a cluster with kwok in place of kubelets', { skip: noPods }, () => {
  const resources = new AsyncDisposableStack();
  let api: ClusterApi;
  before(async () => {
    const plane = resources.use(await startControlPlane());
    api = createClusterApi(clientOf(await plane.kubeconfig()));
    resources.use(await startKwok(plane));
    const metadata = { name: namespace };
    await serverSideApply(api).apply([{ apiVersion: 'v1', kind: 'Namespace', metadata }]);
  });
  after(() => resources.disposeAsync());

  it(`gets ${count} Deployments of two pods each ready`, async () => {
    const names = Array.from({ length: count }, (_, index) => `function-${index}`);
    await serverSideApply(api).apply(names.map(deployment));
    const ready = async () => {
      const { items } = await api.request<Deployments>(path);
      return items.filter(({ status }) => status.readyReplicas === 2).length;
    };
    await until(async () => (await ready()) === count, 'every Deployment to be ready', 180_000);
  });

  it('takes away what a deleted namespace held', async () => {
    await api.request(`/api/v1/namespaces/${namespace}`, { method: 'DELETE' });
    const isGone = (error: unknown) => error instanceof ClusterError && error.status === 404;
    await until(
      () => api.request(`/api/v1/namespaces/${namespace}`).then(() => false, isGone),
      'the namespace to be gone',
      180_000,
    );
    const { items } = await api.request<Deployments>(path);
    assert.deepEqual(items, []);
  });
});
