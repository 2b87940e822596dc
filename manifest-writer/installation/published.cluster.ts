import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type ClusterApi,
  ClusterError,
  type ClusterObject,
  createClusterApi,
} from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { committer } from '../gitops-fixture.ts';
import { createTenantPublisher, type TenantPublisher } from '../publishing/tenant-publisher.ts';
import { createGitOpsRepository } from '../repository/create-gitops-repository.ts';
import { openGitRepository } from '../repository/manifest-repository-git.ts';
import { type AppliedInstallation, functionText, startInstallation } from './installed-fixture.ts';

const searchPath = process.env['PATH'] ?? '';
const resources = new AsyncDisposableStack();
let installation: AppliedInstallation;
/** With the rights of the manifest-writer's service account, and no others. */
let writer: ClusterApi;
let publisher: TenantPublisher;
/** What the API server says to the writer in the first moment that its role lets it hand over anything. */
let firstAnswer = '';

before(async () => {
  installation = resources.use(await startInstallation({}, searchPath));
  const { plane, url } = installation;
  writer = createClusterApi(clientOf(await plane.kubeconfig(await installation.tokenOf('manifest-writer'))));
  const artifacts = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/externalartifacts';
  await until(async () => {
    const body = { status: { conditions: [] } };
    const attempt = writer.request(`${artifacts}/towline-platform/status`, {
      ...{ method: 'PATCH', patch: 'merge', body },
    });
    firstAnswer = await attempt.then(() => 'allowed', String);
    return !/cannot patch resource|not found/.test(firstAnswer);
  }, 'Flux to bind its role');
  publisher = resources.use(await publisherOf(url, 'artifacts'));
});
after(() => resources.disposeAsync());

async function publisherOf(remoteUrl: string, name: string): Promise<TenantPublisher> {
  const { dir } = installation;
  await using stack = new AsyncDisposableStack();
  const repository = stack.use(
    await openGitRepository({
      ...{ remoteUrl, clonePath: join(dir, `${name}.git`), branch: 'main', searchPath },
      ...{ remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
    }),
  );
  const made = stack.use(
    await createTenantPublisher(
      {
        ...{ namespace: 'flux-system', branch: 'main', dir: join(dir, name) },
        listen: { host: '127.0.0.1', port: 0 },
        lookEveryMs: 250,
        setUps: true,
      },
      { api: writer, repository, logger: createLogger({ name: 'publisher', level: 'silent' }) },
    ),
  );
  const opened = stack.move();
  return { ...made, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Its id while it is there and nobody deletes it. */
async function namespaceOf(owner: string): Promise<string | undefined> {
  const { metadata } = await installation.api.request<ClusterObject>(`/api/v1/namespaces/tenant-${owner}`);
  return metadata.deletionTimestamp === undefined ? metadata.uid : undefined;
}

describe("an installation whose manifest-writer publishes, with its service account's rights", () => {
  it('is bounded by the policy from the first moment that it has the right', () => {
    assert.match(
      firstAnswer,
      /the manifest-writer hands over tenants' folders and set-ups, and nothing else/,
    );
  });

  it("applies each tenant's folder in the tenant's namespace", async () => {
    for (const owner of ['alice', 'bob']) await installation.deploy(owner, 'hello', 'one');
    assert.equal(await installation.imageOf('bob', 'alice-hello'), undefined);
    assert.ok(publisher.port > 0);
  });

  it("takes nothing from a kustomization.yaml that reaches into another tenant's folder", async () => {
    const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
    const text = JSON.stringify({ ...kustomization, resources: ['../bob'], namePrefix: 'x-' });
    await installation.commit('alice', { 'kustomization.yaml': text });
    await installation.deploy('alice', 'hello', 'two');
    await installation.deploy('bob', 'hello', 'two');
    assert.equal(await installation.imageOf('alice', 'bob-hello'), undefined);
    assert.equal(await installation.imageOf('alice', 'x-bob-hello'), undefined);
    await installation.commit('alice', { 'kustomization.yaml': null });
  });

  it("keeps one tenant's mistake from the others", async () => {
    await installation.commit('alice', { 'hers.yaml': functionText('bob', 'hello', 'stolen') });
    await until(
      async () => /this namespace is of alice, not of bob/.test(await installation.failureOf('alice')),
      'alice to be refused',
    );
    await installation.deploy('bob', 'hello', 'three');
    await installation.commit('alice', { 'hers.yaml': null });
    await installation.deploy('alice', 'hello', 'three');
  });

  it('lets the writer do nothing else in the cluster', async () => {
    for (const path of [
      '/api/v1/namespaces/flux-system/secrets',
      '/apis/openfaas.com/v1/namespaces/tenant-alice/functions',
      '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations',
    ]) {
      await assert.rejects(
        writer.request(path),
        (error) => error instanceof ClusterError && error.status === 403,
      );
    }
  });

  it('lets the writer hand over nothing in place of what operators wrote, which Flux applies with all rights', async () => {
    const path = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/externalartifacts';
    const { items } = await writer.request<{ items: { metadata: { name: string } }[] }>(path);
    const operators = items
      .map(({ metadata }) => metadata.name)
      .filter((name) => !/^(tenant|set-up)-/.test(name));
    assert.ok(operators.includes('towline-platform') && operators.includes('towline-releases'));
    const condition = { type: 'Ready', status: 'False', reason: 'Mine', message: 'mine' };
    const conditions = [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }];
    for (const name of operators) {
      await assert.rejects(
        writer.request(`${path}/${name}/status`, {
          ...{ method: 'PATCH', patch: 'merge', body: { status: { conditions } } },
        }),
        /the manifest-writer hands over tenants' folders and set-ups, and nothing else/,
        name,
      );
    }
  });

  it('lets the builder ask Flux to look, and not at anything else', async () => {
    const builder = createClusterApi(
      clientOf(await installation.plane.kubeconfig(await installation.tokenOf('builder'))),
    );
    const path = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/gitops';
    const annotations = { 'reconcile.fluxcd.io/requestedAt': 'now' };
    await builder.request(path, { method: 'PATCH', patch: 'merge', body: { metadata: { annotations } } });
    const elsewhere = { spec: { url: 'https://evil.example.org/x.git' } };
    await assert.rejects(
      builder.request(path, { method: 'PATCH', patch: 'merge', body: elsewhere }),
      /the builder may ask for a look, and change nothing else/,
    );
  });

  it('keeps every namespace when the writer was pointed to another repository', async () => {
    const before = [await namespaceOf('alice'), await namespaceOf('bob')];
    const path = join(installation.dir, 'another.git');
    const templateDir = join(import.meta.dirname, '../../gitops-repo-template/base');
    await createGitOpsRepository({ path, templateDir, branch: 'main', committer, env: { PATH: searchPath } });
    const misled = await publisherOf(path, 'misled');
    await misled.look();
    await misled[Symbol.asyncDispose]();
    // Flux has worked at what it was handed since, and the writer of this repository has put right the rest.
    for (const owner of ['alice', 'bob']) await installation.deploy(owner, 'hello', 'four');
    assert.deepEqual([await namespaceOf('alice'), await namespaceOf('bob')], before);
    assert.ok(before.every((uid) => uid !== undefined));
  });

  it('takes a namespace away with the commit that removes its set-up', async () => {
    await installation.repository.commit({ 'flux/tenants/bob.yaml': null });
    const isGone = () =>
      namespaceOf('bob').then(
        (uid) => uid === undefined,
        (error) => error instanceof ClusterError && error.status === 404,
      );
    await until(isGone, "bob's namespace to go", 120_000);
    assert.notEqual(await namespaceOf('alice'), undefined);
  });
});
