import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { KubeConfig, type User } from '@kubernetes/client-node';
import type { FunctionCatalog } from '../../core/catalog.ts';
import type { FunctionAccess } from '../../core/function-access.ts';
import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import { createRouter, routerDefaults, serverOptions } from '../../router/index.ts';
import { apply, until } from '../../test/cluster/kubernetes/apply.ts';
import type { OwnControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { type CutOff, startCutOff } from '../../test/cluster/kubernetes/cut-off.ts';
import {
  type FunctionOperator,
  startFunctionOperator,
} from '../../test/cluster/kubernetes/function-operator.ts';
import { serviceAccountAccess } from '../kubernetes/cluster-access.ts';
import { type ClusterApi, createClusterApi } from '../kubernetes/cluster-api.ts';
import { createLogger } from '../logger.ts';
import {
  createKubernetesCatalog,
  type KubernetesCatalog,
  type KubernetesCatalogConfig,
} from './function-catalog-kubernetes.ts';

/** As the manifest-writer renders it. */
export function functionObject(
  namespace: string,
  owner: string,
  functionName: string,
  tag: string,
  access: FunctionAccess = 'public',
) {
  const annotations = { [towlineAnnotations.access]: access };
  const labels = {
    [gitLabels.owner]: owner,
    [gitLabels.ownerId]: '17',
    [gitLabels.repo]: 'greetings',
    [gitLabels.sha]: '1'.repeat(40),
    [gitLabels.functionName]: functionName,
  };
  const name = `${owner}-${functionName}`;
  const image = `registry.test/${name}:${tag}@sha256:${Buffer.from(tag).toString('hex').padEnd(64, '0')}`;
  return {
    apiVersion: 'openfaas.com/v1',
    kind: 'Function',
    metadata: { name, namespace, labels, annotations },
    spec: { name, image, labels, annotations },
  };
}

/** For tests: a namespace with functions, followed over a way that can be cut. */
export interface FollowedNamespace extends AsyncDisposable {
  namespace: string;
  way: CutOff;
  catalog: KubernetesCatalog;
  operator: FunctionOperator;
  /** Every reason for which following ended, as it was logged. */
  causes: string[];
  /** Functions that the catalog said are gone. */
  gone: string[];
  deploy(functionName: string, tag: string): Promise<void>;
  remove(functionName: string): Promise<void>;
  /** Resolves when the catalog shows this image tag as served. */
  shows(functionName: string, tag: string): Promise<void>;
  forgets(functionName: string): Promise<void>;
  stale(cause: RegExp): Promise<void>;
  following(): Promise<void>;
}

let namespaces = 0;

export interface FollowOptions {
  /** Who follows; default: the administrator. */
  user?: Omit<User, 'name'> | undefined;
  /** The folder with a service account's token, whose certificate is put beside it: who follows is a pod's. */
  account?: string | undefined;
  config?: Partial<KubernetesCatalogConfig> | undefined;
  /** Between the catalog and the API server. */
  wrap?: ((api: ClusterApi) => ClusterApi) | undefined;
  /** Made, and rights in it given, before it is followed. */
  prepare?: ((namespace: string) => Promise<void>) | undefined;
}

export async function followNamespace(
  plane: OwnControlPlane,
  admin: { api: ClusterApi; config: KubeConfig },
  options: FollowOptions = {},
): Promise<FollowedNamespace> {
  await using stack = new AsyncDisposableStack();
  namespaces += 1;
  const namespace = `faults-${namespaces}`;
  await apply(admin.config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  await options.prepare?.(namespace);
  const way = stack.use(await startCutOff(plane.server));
  const operator = stack.use(await startFunctionOperator(admin.api, namespace));
  const causes: string[] = [];
  const write = (line: string) => {
    const { cause } = JSON.parse(line) as { cause?: string };
    if (cause !== undefined) causes.push(cause);
  };
  const { account, user = { token: plane.adminToken } } = options;
  if (account !== undefined) await writeFile(join(account, 'ca.crt'), plane.ca);
  const api = createClusterApi(
    account === undefined
      ? clientOver(way.url, plane, user)
      : serviceAccountAccess({ dir: account, server: way.url }),
  );
  const catalog = stack.use(
    createKubernetesCatalog(
      {
        ...{ target: 'openfaas', namespaces: [namespace], serviceOrigin: operator.originOf },
        ...{ retry: { firstMs: 20, maxMs: 200 }, ...options.config },
      },
      {
        api: options.wrap?.(api) ?? api,
        logger: createLogger({ name: 'catalog', level: 'info' }, { write }),
      },
    ),
  );
  const gone: string[] = [];
  catalog.subscribe(({ functionName, entry }) => entry === undefined && gone.push(functionName));
  const path = `/apis/openfaas.com/v1/namespaces/${namespace}/functions`;
  const resources = stack.move();
  return {
    ...{ namespace, way, catalog, operator, causes, gone },
    deploy: (name, tag) => apply(admin.config, [functionObject(namespace, 'alice', name, tag)]),
    async remove(name) {
      await admin.api.request(`${path}/alice-${name}`, { method: 'DELETE' });
    },
    shows: (name, tag) =>
      until(
        async () => catalog.lookup('alice', name)?.image?.includes(`:${tag}@`) ?? false,
        `${name} to be served as ${tag}`,
      ),
    forgets: (name) => until(async () => catalog.lookup('alice', name) === undefined, `${name} to be gone`),
    stale: (cause) =>
      until(async () => {
        const state = catalog.state();
        return state.type === 'stale' && cause.test(state.cause);
      }, `the catalog to be stale by ${cause}`),
    following: () => until(async () => catalog.state().type === 'following', 'the catalog to follow'),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function clientOver(server: string, plane: OwnControlPlane, user: Omit<User, 'name'>): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server, caData: Buffer.from(plane.ca).toString('base64') }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}

/** For tests: somebody who asks for functions of alice all the time, through the router. */
export interface Traffic extends AsyncDisposable {
  /** How often each status was answered; `NaN`: none. */
  answers: Map<number, number>;
  bodies: Set<string>;
  /** Resolves after so many more answers. */
  more(count: number): Promise<void>;
}

export async function startTraffic(
  catalog: FunctionCatalog,
  functionNames: readonly string[],
): Promise<Traffic> {
  const logger = createLogger({ name: 'router', level: 'silent' });
  const pending = { pending: () => undefined };
  const router = await createRouter(routerDefaults, { catalog, pending, logger });
  const server = createServer(serverOptions, (req, res) => router.handle(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const answers = new Map<number, number>();
  const bodies = new Set<string>();
  let total = 0;
  let isOver = false;

  async function ask(functionName: string): Promise<void> {
    const headers = { host: 'alice.localhost:8080', connection: 'close' };
    const sent = httpRequest({ port, host: '127.0.0.1', path: `/${functionName}`, headers }).end();
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response) body += chunk;
    bodies.add(`${functionName}: ${body}`);
    answers.set(response.statusCode, (answers.get(response.statusCode) ?? 0) + 1);
  }

  async function askAll(): Promise<void> {
    for (let i = 0; !isOver; i++) {
      await ask(functionNames[i % functionNames.length] ?? '').catch(() => {
        answers.set(Number.NaN, (answers.get(Number.NaN) ?? 0) + 1);
      });
      total += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  const asking = askAll();
  return {
    answers,
    bodies,
    more(count) {
      const wanted = total + count;
      return until(async () => total >= wanted, 'more answers');
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await asking;
      server.close();
      server.closeAllConnections();
      await router[Symbol.asyncDispose]();
    },
  };
}
