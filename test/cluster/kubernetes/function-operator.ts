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
import { type FunctionTrouble, troubleOf } from './function-troubles.ts';

/**
 * Stands in for what runs functions in a cluster: the OpenFaaS operator, the kubelet, and the functions themselves.
 * Everything between, the API server first, is real. An image whose tag names a trouble never gets ready; every other
 * answers with its tag.
 */
export interface FunctionOperator extends AsyncDisposable {
  /** Where a function's Service would answer. */
  originOf(object: { name: string }): string;
  /** Scales to zero, as an autoscaler does. */
  sleep(name: string): Promise<void>;
}

interface FunctionObject extends ClusterObject {
  spec: { image: string; annotations?: Record<string, string> };
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

  async function run({ metadata: { name, labels = {} }, spec }: FunctionObject): Promise<void> {
    const { image, annotations = {} } = spec;
    const podLabels = { ...labels, faas_function: name };
    const described = { labels: podLabels, annotations };
    const container = { name: 'function', image };
    const template = { metadata: described, spec: { containers: [container] } };
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
    const trouble = troubleOf(name, image);
    if (trouble) await replacePod(`${name}-new`, described, image, trouble.pod);
    else {
      await removePod(`${name}-new`);
      const conditions = [{ type: 'Ready', status: 'True' }];
      await replacePod(`${name}-run`, described, image, { conditions });
      await serve(name, /:([^@]*)/.exec(image)?.[1] ?? '');
    }
    await report(name, { generation: metadata.generation ?? 1, trouble, hadOld: servers.has(name) });
  }

  function report(
    name: string,
    how: { generation: number; trouble: FunctionTrouble | undefined; hadOld: boolean },
  ) {
    const { generation, trouble, hadOld } = how;
    const available = trouble && !hadOld ? 0 : 1;
    const status = {
      observedGeneration: generation,
      replicas: trouble && hadOld ? 2 : 1,
      updatedReplicas: 1,
      availableReplicas: available,
      readyReplicas: available,
      conditions: [
        {
          type: 'Available',
          status: available ? 'True' : 'False',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
        ...(trouble?.conditions ?? []),
      ],
    };
    return api.request(`${deployments}/${name}/status`, {
      method: 'PATCH',
      patch: 'merge',
      body: { status },
    });
  }

  const pods = `/api/v1/namespaces/${namespace}/pods`;

  /** The status is what a kubelet or the scheduler writes. */
  async function replacePod(
    name: string,
    described: { labels: Record<string, string>; annotations: Record<string, string> },
    image: string,
    state: FunctionTrouble['pod'],
  ): Promise<void> {
    await removePod(name);
    if (!state) return;
    const spec = { containers: [{ name: 'function', image }] };
    await api.request(pods, { method: 'POST', body: { metadata: { name, namespace, ...described }, spec } });
    const container = {
      ...{ name: 'function', image, imageID: '', ready: false, restartCount: 0, started: false },
      ...state.container,
    };
    const containerStatuses = state.container ? [container] : [];
    const body = { status: { phase: 'Pending', conditions: state.conditions ?? [], containerStatuses } };
    await api.request(`${pods}/${name}/status`, { method: 'PATCH', patch: 'merge', body });
  }

  async function removePod(name: string): Promise<void> {
    await api
      .request(`${pods}/${name}`, { method: 'DELETE', query: { gracePeriodSeconds: 0 } })
      .catch(ignoreMissing);
  }

  async function remove(name: string): Promise<void> {
    await api.request(`${deployments}/${name}`, { method: 'DELETE' }).catch(ignoreMissing);
    for (const pod of [`${name}-new`, `${name}-run`]) await removePod(pod);
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
      work = work.then(
        async () => void (await report(name, { generation, trouble: undefined, hadOld: true })),
      );
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
