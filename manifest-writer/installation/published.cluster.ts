import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ClusterApi, ClusterError, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { createTenantPublisher, type TenantPublisher } from '../publishing/tenant-publisher.ts';
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
  const { plane, dir, url } = installation;
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
  const repository = resources.use(
    await openGitRepository({
      ...{ remoteUrl: url, clonePath: join(dir, 'writer.git'), branch: 'main', searchPath },
      ...{ remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
    }),
  );
  publisher = resources.use(
    await createTenantPublisher(
      {
        ...{ namespace: 'flux-system', branch: 'main', dir: join(dir, 'artifacts') },
        listen: { host: '127.0.0.1', port: 0 },
        lookEveryMs: 250,
        setUps: true,
      },
      { api: writer, repository, logger: createLogger({ name: 'publisher', level: 'silent' }) },
    ),
  );
});
after(() => resources.disposeAsync());

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
});
