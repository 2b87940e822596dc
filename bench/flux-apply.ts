import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ManifestWriter } from '../core/manifest-writer.ts';
import { createManifestWriter } from '../manifest-writer/create-manifest-writer.ts';
import { deployIntent } from '../manifest-writer/gitops-fixture.ts';
import { startGitHttpServer } from '../manifest-writer/gitops-http-server.ts';
import { createGitOpsRepository } from '../manifest-writer/repository/create-gitops-repository.ts';
import type { ClusterObject } from '../runtime/kubernetes/cluster-api.ts';
import { createReflector } from '../runtime/kubernetes/reflector.ts';
import { createLogger } from '../runtime/logger.ts';
import { apply } from '../test/cluster/kubernetes/apply.ts';
import type { ControlPlane } from '../test/cluster/kubernetes/control-plane.ts';
import { type FluxCluster, startFluxCluster } from '../test/cluster/kubernetes/flux-installation.ts';
import {
  artifactGenerator,
  type DeliveryMode,
  deliveryModes,
  gitRepository,
  tenantKustomization,
  tenantNamespace,
} from '../test/cluster/kubernetes/tenants.ts';
import { percentile, report } from './figures.ts';

/*
 * From the push of a commit that changes one function of one tenant to the function's object being updated by real
 * Flux, in the three ways in which a tenant's folder can reach it. Each way has a control plane and a Flux of its own.
 * It ends a way's set-up after `--setup` seconds and says how far it came.
 */

const { values } = parseArgs({
  options: {
    tenants: { type: 'string', default: '200' },
    functions: { type: 'string', default: '1000' },
    /** Tenants that Flux follows, if not all: those that aren't changed cost nothing but their set-up in two modes. */
    followed: { type: 'string' },
    commits: { type: 'string', default: '15' },
    modes: { type: 'string', default: deliveryModes.join(',') },
    setup: { type: 'string', default: '900' },
  },
});
const tenants = Number(values.tenants);
const functions = Number(values.functions);
const followed = Math.min(tenants, Number(values.followed ?? tenants));
const perTenant = Math.max(1, Math.round(functions / tenants));
const path = process.env['PATH'] ?? '';
const name = 'bench';
const ownerOf = (index: number) => `tenant-${index}`;

interface Figures {
  tenants: number;
  followed: number;
  functions: number;
  mode: DeliveryMode;
  commits: number;
  p50_ms: number;
  p95_ms: number;
  kustomizations_reconciled_per_commit: number;
  api_writes_per_commit: number;
  /** Until every Kustomization that the commit woke had ended. */
  settled_p50_ms: number;
  setup_s: number;
  load: number;
}

const say = (line: string) => process.stderr.write(`# ${line}\n`);

async function measure(mode: DeliveryMode): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startFluxCluster({ watcher: mode === 'generator' }));
  const dir = await mkdtemp(join(tmpdir(), 'towline-bench-'));
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const url = await startRepository(stack, dir);
  const namespace = cluster.flux.namespace;
  let pushedAt = 0;
  const gitPath = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${name}`;
  function nudge(): void {
    const body = { metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': String(Date.now()) } } };
    cluster.api.request(gitPath, { method: 'PATCH', patch: 'merge', body }).catch(() => {});
  }
  const listen = { host: '127.0.0.1', port: 0 };
  const publishing = { namespace, branch: 'main', dir: join(dir, 'artifacts'), listen };
  const writer = stack.use(
    await createManifestWriter(
      {
        ...{ remoteUrl: url, clonePath: join(dir, 'writer.git'), branch: 'main', namespace: name, path },
        committer: { name: 'Towline', email: 'towline@towline.invalid' },
        ...(mode === 'published' ? { publishing } : {}),
      },
      {
        logger: createLogger({ name: 'bench', level: 'warn' }),
        cluster: cluster.api,
        onPushed() {
          pushedAt = performance.now();
          if (mode !== 'published') nudge();
        },
      },
    ),
  );
  const started = performance.now();
  await fill(writer);
  say(`${mode}: ${tenants} tenants with ${functions} functions are committed`);
  const woken = await follow(stack, cluster, mode, url);
  const setup = Math.round((performance.now() - started) / 1000);
  say(`${mode}: all are applied after ${setup} s`);

  const updates = watchFunctions(stack, cluster);
  await updates.synced;
  const latencies: number[] = [];
  const settled: number[] = [];
  const reconciled: number[] = [];
  const writes: number[] = [];
  for (let commit = 0; commit < Number(values.commits); commit++) {
    await quiet(cluster.plane);
    woken.clear();
    const before = await writesOf(cluster.plane);
    const owner = ownerOf((commit * 37 + 11) % followed);
    const source = ((commit % 14) + 2).toString(16);
    const updated = updates.next(`${owner}-fn-0`, source.repeat(64));
    const outcome = await writer.deploy(deployIntent({ owner, functionName: 'fn-0', source }));
    if (outcome.type !== 'pushed') throw new Error(`not pushed: ${JSON.stringify(outcome)}`);
    latencies.push((await updated) - pushedAt);
    settled.push((await quiet(cluster.plane)) - pushedAt);
    writes.push((await writesOf(cluster.plane)) - before);
    reconciled.push(woken.size);
    say(
      `${mode}: ${Math.round(latencies.at(-1) ?? 0)} ms, ${woken.size} reconciled, ${writes.at(-1)} writes`,
    );
  }
  return {
    ...{ tenants, followed, functions: tenants * perTenant, mode, commits: latencies.length },
    ...{ p50_ms: percentile(latencies, 0.5), p95_ms: percentile(latencies, 0.95) },
    kustomizations_reconciled_per_commit: percentile(reconciled, 0.5),
    api_writes_per_commit: percentile(writes, 0.5),
    ...{ settled_p50_ms: percentile(settled, 0.5), setup_s: setup },
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

async function startRepository(stack: AsyncDisposableStack, dir: string): Promise<string> {
  const templateDir = join(dir, 'template');
  await mkdir(templateDir);
  await writeFile(join(templateDir, 'README.md'), 'What is here is what runs.\n');
  const committer = { name: 'Towline', email: 'towline@towline.invalid' };
  const repository = { path: join(dir, 'gitops.git'), templateDir, branch: 'main', committer };
  await createGitOpsRepository({ ...repository, env: { PATH: path } });
  const server = stack.use(await startGitHttpServer({ root: dir, path }));
  return `${server.url}/gitops.git`;
}

async function fill(writer: ManifestWriter): Promise<void> {
  const deploys: Promise<unknown>[] = [];
  for (let tenant = 0; tenant < tenants; tenant++) {
    for (let fn = 0; fn < perTenant; fn++) {
      deploys.push(
        writer.deploy(deployIntent({ owner: ownerOf(tenant), functionName: `fn-${fn}`, source: '1' })),
      );
    }
  }
  await Promise.all(deploys);
}

/** Resolves once every tenant is applied; gives the names of Kustomizations that have changed since it was cleared. */
async function follow(
  stack: AsyncDisposableStack,
  { config, api, flux }: FluxCluster,
  mode: DeliveryMode,
  url: string,
): Promise<Set<string>> {
  await apply(config, tenantNamespace(name, flux.namespace));
  if (mode !== 'published') await apply(config, [gitRepository(name, flux.namespace, url)]);
  if (mode === 'generator') await apply(config, [artifactGenerator('tenant', name, flux.namespace)]);
  const kustomizations = Array.from({ length: followed }, (_, index) => {
    const owner = ownerOf(index);
    const object = `tenant-${owner}`;
    return tenantKustomization({
      ...{ owner, name: object, namespace: name, fluxNamespace: flux.namespace },
      source:
        mode === 'repository' ? { kind: 'GitRepository', name } : { kind: 'ExternalArtifact', name: object },
    });
  });
  for (let at = 0; at < followed; at += 50) {
    await Promise.all(kustomizations.slice(at, at + 50).map((one) => apply(config, [one])));
  }
  const woken = new Set<string>();
  const seen = stack.use(
    createReflector({
      api,
      path: `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${flux.namespace}/kustomizations`,
      project: (object) => isReady(object),
      onChange: ({ key }) => woken.add(key),
    }),
  );
  const deadline = Date.now() + Number(values.setup) * 1000;
  for (let told = Date.now(); ; await wait(250)) {
    const ready = [...seen.table.values()].filter((one) => one).length;
    if (ready >= followed) return woken;
    if (Date.now() > deadline)
      throw new Error(`${mode}: ${ready} of ${followed} tenants were applied in time`);
    if (Date.now() - told > 15_000) {
      told = Date.now();
      say(`${mode}: ${ready} of ${followed} tenants are applied`);
    }
  }
}

function isReady(object: ClusterObject): boolean {
  const { status } = object as { status?: { conditions?: { type: string; status: string }[] } };
  return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

function watchFunctions(stack: AsyncDisposableStack, { api }: FluxCluster) {
  const waiting = new Map<string, (at: number) => void>();
  const functionsSeen = stack.use(
    createReflector({
      api,
      path: `/apis/openfaas.com/v1/namespaces/${name}/functions`,
      project: (object) => (object as ClusterObject & { spec: { image: string } }).spec.image,
      onChange({ key, after }) {
        const found = `${key.slice(key.indexOf('/') + 1)} ${after?.split('@sha256:')[1]}`;
        waiting.get(found)?.(performance.now());
        waiting.delete(found);
      },
    }),
  );
  return {
    synced: functionsSeen.synced,
    next: (object: string, digest: string) =>
      new Promise<number>((resolve) => waiting.set(`${object} ${digest}`, resolve)),
  };
}

/** When the last write was, once there has been none for two seconds. */
async function quiet(plane: ControlPlane): Promise<number> {
  let last = performance.now();
  let count = await writesOf(plane);
  while (performance.now() - last < 2_000) {
    await wait(200);
    const now = await writesOf(plane);
    if (now === count) continue;
    count = now;
    last = performance.now();
  }
  return last;
}

const writing = /^apiserver_request_total\{([^}]*verb="(?:POST|PUT|PATCH|APPLY|DELETE)"[^}]*)\} (\S+)$/;

/** Writes that the API server has carried out, without dry runs and its own leases. */
async function writesOf({ server, ca, adminToken }: ControlPlane): Promise<number> {
  const headers = { authorization: `Bearer ${adminToken}` };
  const asked = request(`${server}/metrics`, { ca, headers, timeout: 20_000 }).end();
  const [response] = await once(asked, 'response');
  let count = 0;
  for (const line of (await text(response)).split('\n')) {
    const [, labels = '', value = '0'] = writing.exec(line) ?? [];
    if (!labels.includes('dry_run="All"') && !labels.includes('resource="leases"')) count += Number(value);
  }
  return count;
}

const runs: Figures[] = [];
for (const mode of values.modes.split(',') as DeliveryMode[]) {
  try {
    runs.push(await measure(mode));
    say(JSON.stringify(runs.at(-1)));
  } catch (error) {
    say(`${mode} was not measured: ${error}`);
  }
}
// Above the others' figures, those of an installation's default way.
report({ bench: 'flux-apply', ...(runs.find(({ mode }) => mode === 'published') ?? runs.at(-1)), runs });
process.exit(0);
