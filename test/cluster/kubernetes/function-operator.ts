import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ClusterApi,
  ClusterError,
  type ClusterObject,
} from '../../../runtime/kubernetes/cluster-api.ts';
import { createReflector } from '../../../runtime/kubernetes/reflector.ts';
import { delay } from '../../../runtime/lifecycle.ts';

/**
 * Stands in for what runs functions in a cluster: the OpenFaaS operator, the kubelet, and the functions themselves.
 * Everything between, the API server first, is real. An image named `…:broken…` never gets ready; every other answers
 * with its tag.
 */
export interface FunctionOperator extends AsyncDisposable {
  /** Where a function's Service would answer. */
  originOf(object: { name: string }): string;
  /** Scales to zero, as an autoscaler does. */
  sleep(name: string): Promise<void>;
}

interface FunctionObject extends ClusterObject {
  spec: { image: string };
}

const settled = { kind: 'Deployment', apiVersion: 'apps/v1' };

export async function startFunctionOperator(api: ClusterApi, namespace: string): Promise<FunctionOperator> {
  const servers = new Map<string, { server: Server; answer: string }>();
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const stopping = new AbortController();
  let work = Promise.resolve();

  /** A controller tries again while the API server is away. */
  async function persist(task: () => Promise<void>): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof ClusterError && error.status < 500) throw error;
        await delay(100, stopping.signal).catch(() => {});
      }
    }
  }

  async function serve(name: string, answer: string): Promise<void> {
    const known = servers.get(name);
    if (known) {
      known.answer = answer;
      return;
    }
    const server = createServer((_, response) => response.end(servers.get(name)?.answer)).listen(
      0,
      '127.0.0.1',
    );
    servers.set(name, { server, answer });
    await once(server, 'listening');
  }

  async function run({ metadata: { name, labels = {} }, spec: { image } }: FunctionObject): Promise<void> {
    const podLabels = { ...labels, faas_function: name };
    const container = { name: 'function', image };
    const template = { metadata: { labels: podLabels }, spec: { containers: [container] } };
    const selector = { matchLabels: { faas_function: name } };
    const body = {
      ...settled,
      metadata: { name, namespace, labels: podLabels },
      spec: { selector, template },
    };
    const query = { fieldManager: 'operator', force: true };
    const { metadata } = await api.request<ClusterObject>(`${deployments}/${name}`, {
      ...{ method: 'PATCH', patch: 'apply', query, body },
    });
    const isBroken = image.includes(':broken');
    if (isBroken) await troubledPod(name, podLabels, image);
    else {
      await removePod(name);
      await serve(name, /:([^@]*)/.exec(image)?.[1] ?? '');
    }
    await report(name, { generation: metadata.generation ?? 1, isBroken, hadOld: servers.has(name) });
  }

  function report(
    name: string,
    { generation, isBroken, hadOld }: { generation: number; isBroken: boolean; hadOld: boolean },
  ) {
    const available = isBroken && !hadOld ? 0 : 1;
    const status = {
      observedGeneration: generation,
      replicas: isBroken && hadOld ? 2 : 1,
      updatedReplicas: 1,
      availableReplicas: available,
      readyReplicas: available,
      conditions: [
        {
          type: 'Available',
          status: available ? 'True' : 'False',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    return api.request(`${deployments}/${name}/status`, {
      method: 'PATCH',
      patch: 'merge',
      body: { status },
    });
  }

  const podPath = (name: string) => `/api/v1/namespaces/${namespace}/pods/${name}-new`;

  async function troubledPod(name: string, labels: Record<string, string>, image: string): Promise<void> {
    const spec = { containers: [{ name: 'function', image }] };
    const metadata = { name: `${name}-new`, namespace, labels };
    await removePod(name);
    await api.request(`/api/v1/namespaces/${namespace}/pods`, { method: 'POST', body: { metadata, spec } });
    const state = { waiting: { reason: 'ImagePullBackOff', message: 'manifest unknown: broken' } };
    const containerStatuses = [
      { name: 'function', image, imageID: '', ready: false, restartCount: 0, started: false, state },
    ];
    const body = { status: { phase: 'Pending', containerStatuses } };
    await api.request(`${podPath(name)}/status`, { method: 'PATCH', patch: 'merge', body });
  }

  async function removePod(name: string): Promise<void> {
    await api
      .request(podPath(name), { method: 'DELETE', query: { gracePeriodSeconds: 0 } })
      .catch(ignoreMissing);
  }

  async function remove(name: string): Promise<void> {
    await api.request(`${deployments}/${name}`, { method: 'DELETE' }).catch(ignoreMissing);
    await removePod(name);
    servers.get(name)?.server.close();
    servers.delete(name);
  }

  const functions = createReflector<FunctionObject>({
    api,
    path: `/apis/openfaas.com/v1/namespaces/${namespace}/functions`,
    project: (object) => object as FunctionObject,
    onChange({ before, after }) {
      work = work.then(() => persist(() => (after ? run(after) : remove(before?.metadata.name ?? ''))));
    },
  });
  // Who sets the scale back up wants the function to run.
  const scales = createReflector<{ name: string; replicas: number; generation: number }>({
    api,
    path: deployments,
    project: (object) => ({
      name: object.metadata.name,
      replicas: (object as { spec?: { replicas?: number } }).spec?.replicas ?? 1,
      generation: object.metadata.generation ?? 1,
    }),
    onChange({ before, after }) {
      if (before?.replicas !== 0 || !after || after.replicas === 0) return;
      const { name, generation } = after;
      work = work.then(async () => void (await report(name, { generation, isBroken: false, hadOld: true })));
    },
  });
  await functions.synced;
  return {
    originOf({ name }) {
      const server = servers.get(name)?.server;
      const { port } = (server?.address() ?? { port: 9 }) as AddressInfo;
      return `http://127.0.0.1:${port}`;
    },
    async sleep(name) {
      const body = { spec: { replicas: 0 } };
      await api.request(`${deployments}/${name}/scale`, { method: 'PATCH', patch: 'merge', body });
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await functions[Symbol.asyncDispose]();
      await scales[Symbol.asyncDispose]();
      await work;
      for (const { server } of servers.values()) server.close();
    },
  };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof ClusterError) || error.status !== 404) throw error;
}
