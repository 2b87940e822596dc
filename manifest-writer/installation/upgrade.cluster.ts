import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, ClusterError, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { createTenantPublisher } from '../publishing/tenant-publisher.ts';
import { openGitRepository } from '../repository/manifest-repository-git.ts';
import {
  type AppliedInstallation,
  type Condition,
  kustomizations,
  startInstallation,
} from './installed-fixture.ts';

const searchPath = process.env['PATH'] ?? '';
const onePass = join(import.meta.dirname, 'testing/one-pass');
const controllers = 'flux/system/gotk-components.yaml';
const resources = new AsyncDisposableStack();
let installation: AppliedInstallation;
let api: ClusterApi;
/** With the rights of the manifest-writer's service account, and no others. */
let writer: ClusterApi;
/** What the repository's upgrade changes. */
const upgrade: Record<string, string | null> = {};
let running: AsyncDisposable | undefined;

/** What the API server says to whoever has the writer's token, all the time: each answer once. */
const answers = new Set<string>();
const allowed = 'allowed';
const withoutRight = /cannot create resource "kustomizations"/;
const byPolicy = /the manifest-writer may have tenants' set-ups applied, and nothing else/;

before(async () => {
  installation = resources.use(await startInstallation({}, searchPath, goBack));
  ({ api } = installation);
  writer = createClusterApi(
    clientOf(await installation.plane.kubeconfig(await installation.tokenOf('manifest-writer'))),
  );
  const stopping = new AbortController();
  const attacks = attack(stopping.signal);
  resources.defer(async () => {
    stopping.abort();
    await attacks;
  });
  resources.defer(() => running?.[Symbol.asyncDispose]());
});
after(() => resources.disposeAsync());

/** Makes the tree as it was of the tree as it is, and keeps the way forward. */
async function goBack(files: Map<string, string>): Promise<void> {
  for (const [path, text] of files) {
    if (!/publisher(\.yaml$|\/)/.test(path)) continue;
    upgrade[path] = text;
    files.delete(path);
  }
  const paths = (await readdir(onePass, { recursive: true })).filter((name) => name.endsWith('.yaml'));
  assert.equal(paths.length, 5);
  const before = new Map<string, string>();
  for (const path of paths) before.set(path, await readFile(join(onePass, path), 'utf8'));
  const alice = before.get('flux/tenants/alice.yaml') ?? '';
  before.set('flux/tenants/bob.yaml', alice.replaceAll('alice', 'bob'));
  for (const [path, text] of before) {
    assert.notEqual(files.get(path), text, path);
    upgrade[path] = files.get(path) ?? null;
    files.set(path, text);
  }
}

/** Asks for what would make the token the cluster's, without having it done. */
async function attack(signal: AbortSignal): Promise<void> {
  const body = {
    ...{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' },
    metadata: { name: 'mine', namespace: 'flux-system' },
    spec: {
      ...{
        sourceRef: { kind: 'GitRepository', name: 'gitops' },
        path: './mine',
        interval: '1h',
        prune: true,
      },
      serviceAccountName: 'platform',
    },
  };
  while (!signal.aborted) {
    const attempt = writer.request(kustomizations, { method: 'POST', query: { dryRun: 'All' }, body });
    answers.add(await attempt.then(() => allowed, String));
    await wait(20);
  }
}

async function answered(words: RegExp): Promise<void> {
  answers.clear();
  await until(async () => [...answers].some((answer) => words.test(answer)), `${words}`);
}

async function statusOf(name: string): Promise<{ ready: boolean; message: string } | undefined> {
  const found = await api
    .request<{ metadata: { generation: number }; status?: { conditions?: (Condition & Observed)[] } }>(
      `${kustomizations}/${name}`,
    )
    .catch((error: unknown) => {
      if (error instanceof ClusterError && error.status === 404) return undefined;
      throw error;
    });
  if (!found) return undefined;
  const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
  const isCurrent = ready?.observedGeneration === found.metadata.generation;
  return { ready: isCurrent && ready.status === 'True', message: ready?.message ?? '' };
}
interface Observed {
  observedGeneration?: number;
}

const isReady = (name: string) =>
  until(async () => (await statusOf(name))?.ready ?? false, `${name} to be ready`, 60_000);
const isGone = (name: string) =>
  until(async () => (await statusOf(name)) === undefined, `${name} to be gone`, 60_000);

/** Starts a manifest-writer's publishing in place of the one that runs. */
async function publish(setUps: boolean): Promise<void> {
  await running?.[Symbol.asyncDispose]();
  const stack = new AsyncDisposableStack();
  const repository = stack.use(
    await openGitRepository({
      ...{ remoteUrl: installation.url, clonePath: join(installation.dir, 'writer.git'), branch: 'main' },
      ...{ searchPath, remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
    }),
  );
  stack.use(
    await createTenantPublisher(
      {
        ...{ namespace: 'flux-system', branch: 'main', dir: join(installation.dir, 'artifacts') },
        ...{ listen: { host: '127.0.0.1', port: 0 }, lookEveryMs: 250, setUps },
      },
      { api: writer, repository, logger: createLogger({ name: 'publisher', level: 'silent' }) },
    ),
  );
  running = stack;
}

/** By path: what would be another if it had been deleted and made again. */
async function identities(): Promise<Record<string, string>> {
  const namespaced = '/api/v1/namespaces/tenant-alice';
  const paths = [
    ...[namespaced, `${namespaced}/secrets/registry.pull`, `${namespaced}/resourcequotas/tenant`],
    `/apis/rbac.authorization.k8s.io/v1/namespaces/tenant-alice/rolebindings/towline-tenant`,
    `/apis/openfaas.com/v1/namespaces/tenant-alice/functions/alice-hello`,
    ...['/api/v1/namespaces/tenant-bob', `${kustomizations}/tenant-alice`],
  ];
  const found = await Promise.all(
    paths.map((path) => api.request<{ metadata: Met }>(path).then(({ metadata }) => metadata)),
  );
  assert.deepEqual(
    found.filter(({ deletionTimestamp }) => deletionTimestamp !== undefined),
    [],
  );
  return Object.fromEntries(found.map(({ uid }, index) => [paths[index] ?? '', uid]));
}
interface Met {
  uid: string;
  deletionTimestamp?: string;
}

/** When it was written, as the API server counts. */
async function revisionOf(path: string): Promise<bigint> {
  const { metadata } = await api.request<{ metadata: { resourceVersion: string } }>(path);
  return BigInt(metadata.resourceVersion);
}

async function isBeingDeleted(namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}`;
  await until(async () => {
    const found = await api.request<{ metadata: Met }>(path).catch(() => undefined);
    return found?.metadata.deletionTimestamp !== undefined || found === undefined;
  }, `${namespace} to be deleted`);
}

describe('an installation whose tenants were set up in one pass', () => {
  let known: Record<string, string>;
  let upgraded = '';

  it('has tenants with what people made by hand', async () => {
    await publish(false);
    await installation.deploy('alice', 'hello', 'one');
    await installation.deploy('bob', 'hello', 'one');
    const metadata = { name: 'registry.pull', namespace: 'tenant-alice' };
    await installation.server.apply([{ apiVersion: 'v1', kind: 'Secret', metadata } as KubernetesObject]);
    known = await identities();
    await answered(withoutRight);
  });

  it('gives the writer no right over Kustomizations while the policy for it cannot be applied', async () => {
    const { repository } = installation;
    const found = await readFile(join(installation.dir, 'clone', controllers), 'utf8');
    await repository.commit({ [controllers]: 'not: [yaml' });
    upgraded = await repository.commit(upgrade, 'Upgrade');
    await installation.look();
    await isGone('towline-tenants');
    await until(
      async () => /gotk-components/.test((await statusOf('towline-system'))?.message ?? ''),
      'it to fail',
    );
    for (const name of ['towline-publisher-role', 'towline-publisher']) {
      await until(async () => /./.test((await statusOf(name))?.message ?? ''), `${name} to be tried`);
    }
    await answered(withoutRight);
    assert.ok(
      [...answers].every((answer) => withoutRight.test(answer)),
      [...answers].join(),
    );
    await repository.commit({ [controllers]: found });
    await installation.look();
  });

  it('gives it that right after its policy', async () => {
    await answered(byPolicy);
    const admission = '/apis/admissionregistration.k8s.io/v1';
    const policy = `${admission}/validatingadmissionpolicybindings/towline-set-up-follower`;
    const right =
      '/apis/rbac.authorization.k8s.io/v1/namespaces/flux-system/rolebindings/towline-set-up-publisher';
    assert.ok((await revisionOf(policy)) < (await revisionOf(right)));
  });

  it('keeps every namespace, and what is in it', async () => {
    await publish(true);
    for (const owner of ['alice', 'bob']) await isReady(`set-up-${owner}`);
    assert.deepEqual(await identities(), known);
    await installation.deploy('alice', 'hello', 'two');
    assert.deepEqual(await identities(), known);
  });

  it('goes back with a revert of the commit, and the Kustomizations of the set-ups deleted', async () => {
    const { repository } = installation;
    await repository.git('revert', '--no-edit', upgraded);
    await repository.git('push', '--quiet', 'origin', 'main');
    await installation.look();
    await isReady('towline-tenants');
    await answered(withoutRight);
    await publish(false);
    // As docs/operate.md has it.
    const query = { labelSelector: 'towline.dev/set-up' };
    const artifacts = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/externalartifacts';
    for (const path of [kustomizations, artifacts]) await api.request(path, { method: 'DELETE', query });
    for (const owner of ['alice', 'bob']) await isGone(`set-up-${owner}`);
    assert.deepEqual(await identities(), known);
    await installation.deploy('alice', 'hello', 'three');
    assert.deepEqual(await identities(), known);
  });

  it('closes tenants then as it did before', async () => {
    await installation.repository.commit({ 'flux/tenants/bob.yaml': null });
    await installation.look();
    await isBeingDeleted('tenant-bob');
  });
});
