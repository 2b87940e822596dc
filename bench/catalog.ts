import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { provenance, spec } from '../manifest-writer/render/function-fixture.ts';
import { renderManifest } from '../manifest-writer/render/render-manifest.ts';
import { serviceAccountAccess } from '../runtime/kubernetes/cluster-access.ts';
import { type ClusterApi, createClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { clientOf } from '../test/cluster/kubernetes/apply.ts';
import { startOwnControlPlane } from '../test/cluster/kubernetes/control-plane.ts';
import { installFunctions } from '../test/cluster/kubernetes/openfaas.ts';
import { type Cost, clock, type Following, type Message } from './catalog/follower.ts';
import { functionNameOf, imageOf, namespaceOf, objectOf, ownerOf, perTenant } from './catalog/sample.ts';
import { percentile, report } from './figures.ts';

/*
 * What it costs to follow 10,000 functions of a real API server: each is a Function as the manifest-writer renders it,
 * a Deployment and a ready pod. The router's whole program, stripped of its types and with the flags of its Deployment;
 * its catalog alone; and @kubernetes/client-node's own informers on the same three kinds, one after the other in a
 * process each. A change is counted from the moment its write is sent until the process has it in its table.
 */

const { values } = parseArgs({
  options: {
    functions: { type: 'string', default: '10000' },
    changes: { type: 'string', default: '100' },
  },
});
const functions = Number(values.functions);
/** As the router's Deployment in gitops-repo-template/platform has it. */
const routerEnvironment = {
  ...{ NODE_OPTIONS: '--max-semi-space-size=4 --max-old-space-size=256', MALLOC_ARENA_MAX: '1' },
  ...{ TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org', TOWLINE_LOG_LEVEL: 'warn' },
  ...{ TOWLINE_HOST: '127.0.0.1', PORT: '0', TOWLINE_INTERNAL_PORT: '0' },
};
const say = (line: string) => process.stderr.write(`# ${line}\n`);

interface Wanted {
  path: string;
  body: object;
  status?: object;
}

/** The three objects of one function. */
function objectsOf(index: number): Wanted[] {
  const owner = ownerOf(index);
  const namespace = namespaceOf(index);
  const image = imageOf(index, 1);
  const asked = spec({
    ...{ owner, functionName: functionNameOf(index), image },
    ...{ environment: { GREETING: 'hello' }, secrets: ['api-key'] },
    ...{ limits: { cpu: '1', memory: '256Mi' }, requests: { cpu: '50m', memory: '64Mi' } },
  });
  const options = { target: 'openfaas', namespace, deployedAt: 1_700_000_000_000 } as const;
  const { data } = renderManifest(asked, { ...provenance, owner, ownerId: `id-${owner}` }, options);
  const { spec: rendered } = data as { spec: { labels: Record<string, string> } };
  const name = objectOf(index);
  const labels = { ...rendered.labels, faas_function: name };
  const podSpec = { containers: [{ name: 'function', image, ports: [{ containerPort: 8080 }] }] };
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const selector = { matchLabels: { faas_function: name } };
  return [
    { path: `/apis/openfaas.com/v1/namespaces/${namespace}/functions`, body: data },
    {
      path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
      body: {
        metadata: { name, labels: { faas_function: name } },
        spec: { selector, template: { metadata: { labels }, spec: podSpec } },
      },
      status: {
        ...{ observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1 },
        conditions: [{ ...ready, type: 'Available' }],
      },
    },
    {
      path: `/api/v1/namespaces/${namespace}/pods`,
      body: { metadata: { name: `${name}-5d9c7b5f6-x2x4z`, labels }, spec: podSpec },
      status: { phase: 'Running', conditions: [ready] },
    },
  ];
}

async function create(api: ClusterApi, { path, body, status }: Wanted): Promise<void> {
  await api.request(path, { method: 'POST', body });
  if (!status) return;
  const { name } = (body as { metadata: { name: string } }).metadata;
  await api.request(`${path}/${name}/status`, { method: 'PATCH', patch: 'merge', body: { status } });
}

async function fill(api: ClusterApi): Promise<void> {
  const namespaces = new Set(Array.from({ length: functions }, (_, index) => namespaceOf(index)));
  for (const [index, name] of [...namespaces].entries()) {
    const tenant = ownerOf(index * perTenant);
    const labels = { 'towline.dev/tenant': tenant, 'towline.dev/environment': 'default' };
    await api.request('/api/v1/namespaces', { method: 'POST', body: { metadata: { name, labels } } });
  }
  let next = 0;
  const started = performance.now();
  const work = async () => {
    for (let index = next++; index < functions; index = next++) {
      for (const one of objectsOf(index)) await create(api, one);
      const done = index + 1;
      if (done % 1_000 === 0)
        say(`${done} functions after ${Math.round((performance.now() - started) / 1000)} s`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

/** The rooms that a router is of, as the image has them. */
async function strippedSources(dir: string): Promise<string> {
  const root = join(import.meta.dirname, '..');
  const folders = ['core', 'runtime', 'router', 'bench/catalog'];
  for (const folder of folders) await cp(join(root, folder), join(dir, folder), { recursive: true });
  await cp(join(root, 'package.json'), join(dir, 'package.json'));
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
  const args = ['--disable-warning=ExperimentalWarning', 'runtime/image/strip-types.ts', ...folders];
  await promisify(execFile)(process.execPath, args, { cwd: dir });
  return dir;
}

interface Follower {
  /** In `bench/catalog/`. */
  program: string;
  env?: Record<string, string>;
  /** Where the sources have been stripped of their types. */
  stripped?: string;
}

/** In a process of its own. */
async function start({ program, env = {}, stripped }: Follower, where: Following) {
  const file = join(stripped ?? join(import.meta.dirname, '..'), 'bench/catalog', `${program}.ts`);
  const hook = join(stripped ?? '', 'runtime/image/plain-sources.mjs');
  const child = fork(file, [JSON.stringify(where)], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
    execArgv: stripped === undefined ? [] : ['--import', hook],
  });
  const waiting = new Map<string, (at: number) => void>();
  const synced = Promise.withResolvers<Cost>();
  child.on('exit', () => synced.reject(new Error(`${program} ended too early`)));
  child.on('message', (message: Message) => {
    if (message.type === 'changed') return waiting.get(message.image)?.(message.at);
    const { type: _, ...cost } = message;
    synced.resolve(cost);
  });
  const cost = await synced.promise;
  say(`${program} ${JSON.stringify(cost)}`);
  return {
    cost,
    seen: (image: string) => new Promise<number>((resolve) => waiting.set(image, resolve)),
    async end() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

async function costOf(follower: Follower, where: Following): Promise<Cost> {
  const { cost, end } = await start(follower, where);
  await end();
  return cost;
}

/** Changes one function after another; `round` makes its images new ones. */
async function measure(follower: Follower, where: Following, api: ClusterApi, round: number) {
  const { cost, seen, end } = await start(follower, where);
  const latencies: number[] = [];
  for (let change = 0; change < Number(values.changes); change++) {
    const index = (change * 7_919) % functions;
    const image = imageOf(index, round * 1_000 + change + 2);
    const arrived = seen(image);
    const path = `/apis/openfaas.com/v1/namespaces/${namespaceOf(index)}/functions/${objectOf(index)}`;
    const sent = clock();
    await api.request(path, { method: 'PATCH', patch: 'merge', body: { spec: { image } } });
    latencies.push((await arrived) - sent);
    await wait(20);
  }
  await end();
  const [p50, p95] = [percentile(latencies, 0.5), percentile(latencies, 0.95)];
  return { ...cost, change_routed_p50_ms: p50, change_routed_p95_ms: p95 };
}

async function main(): Promise<void> {
  await using plane = await startOwnControlPlane();
  const kubeconfig = await plane.kubeconfig();
  await installFunctions(clientOf(kubeconfig));
  const account = join(plane.dir, 'account');
  await mkdir(account);
  await writeFile(join(account, 'ca.crt'), plane.ca);
  await writeFile(join(account, 'token'), plane.adminToken);
  const { server } = plane;
  const api = createClusterApi(serviceAccountAccess({ dir: account, server }));
  await fill(api);
  const where = { functions, server, account, kubeconfig };
  const stripped = await strippedSources(join(plane.dir, 'stripped'));
  const program = { program: 'router-program', stripped, env: routerEnvironment };
  const router = await costOf(program, where);
  const all = { ...routerEnvironment, TOWLINE_FOLLOWED_NAMESPACES: 'all' };
  const inOneGo = await costOf({ ...program, env: all }, where);
  const catalog = await measure(
    { program: 'router-process', stripped, env: routerEnvironment },
    where,
    api,
    1,
  );
  const peer = await measure({ program: 'informer-process' }, where, api, 2);
  const load = Math.round((loadavg()[0] ?? 0) * 10) / 10;
  const others = { all_namespaces_in_one_go: inOneGo, catalog };
  report({
    ...{ bench: 'catalog', functions, ...router, ...others },
    ...{ peer: { name: 'client-node informers', ...peer }, load },
  });
}

await main();
process.exit(0);
