import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tenantNamespace } from '../../core/tenants.ts';
import { type ClusterApi, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { createManifestWriter, type DurableManifestWriter } from '../create-manifest-writer.ts';
import { committer, type DeployChanges, deployIntent } from '../gitops-fixture.ts';
import { type AppliedInstallation, functionText, startInstallation } from './installed-fixture.ts';

const searchPath = process.env['PATH'] ?? '';
const resources = new AsyncDisposableStack();
const environments = [{ name: 'default' }, { name: 'staging' }];
let installation: AppliedInstallation;
let writer: DurableManifestWriter;

before(async () => {
  installation = resources.use(await startInstallation({ environments, tenants: [] }, searchPath));
  const { plane, dir, url } = installation;
  const token = await installation.tokenOf('manifest-writer');
  const cluster: ClusterApi = createClusterApi(clientOf(await plane.kubeconfig(token)));
  writer = resources.use(
    await createManifestWriter(
      {
        ...{ remoteUrl: url, clonePath: join(dir, 'writer.git'), branch: 'main', committer },
        ...{
          namespace: 'openfaas-fn',
          path: searchPath,
          environments: [{ name: 'staging', branches: ['s'] }],
        },
        provisioning: { tenants: 'automatic' },
        publishing: {
          ...{ namespace: 'flux-system', branch: 'main', dir: join(dir, 'artifacts') },
          ...{ listen: { host: '127.0.0.1', port: 0 }, lookEveryMs: 500 },
        },
      },
      {
        ...{ cluster, logger: createLogger({ name: 'writer', level: 'silent' }) },
        onPushed: () => void installation.look().catch(() => {}),
      },
    ),
  );
});
after(() => resources.disposeAsync());

/** A push as the builder hands it on; nothing else is done. */
async function push(changes: DeployChanges & { owner: string }, environment?: string): Promise<void> {
  const outcome = await writer.deploy({ ...deployIntent(changes), environment });
  assert.equal(outcome.type, 'pushed');
  const { source = '1', functionName = 'hello' } = changes;
  const digest = `@sha256:${source.repeat(64)}`;
  const namespace = tenantNamespace(changes.owner, environment);
  await until(
    async () =>
      (await installation.imageIn(namespace, `${changes.owner}-${functionName}`))?.endsWith(digest) ?? false,
    `${changes.owner}'s ${functionName} in ${namespace}`,
    120_000,
  );
}

describe('a new owner’s first push', () => {
  it('is in the API server, in a namespace of its own, with nothing done by hand', async () => {
    await push({ owner: 'alice' });
    await push({ owner: 'bob' });
    const path = '/api/v1/namespaces/tenant-alice';
    const { metadata } = await installation.api.request<{ metadata: { labels: Record<string, string> } }>(
      path,
    );
    assert.equal(metadata.labels['towline.dev/tenant'], 'alice');
    assert.equal(metadata.labels['towline.dev/environment'], 'default');
    assert.equal(metadata.labels['pod-security.kubernetes.io/enforce'], 'baseline');
  });

  it('is followed by a second one that sets nothing up', async () => {
    await push({ owner: 'alice', source: '2' });
    await installation.repository.git('fetch', '--quiet', 'origin', 'main');
    const log = await installation.repository.git('log', '--format=%s', 'origin/main');
    assert.equal(log.match(/^tenant\(alice\)/gm)?.length ?? 0, 1, log);
  });

  it('is in a namespace of the environment, beside what the owner has elsewhere', async () => {
    await push({ owner: 'alice', source: '3' }, 'staging');
    await push({ owner: 'carol' }, 'staging');
    const other = await installation.imageIn('tenant-alice', 'alice-hello');
    assert.match(other ?? '', /@sha256:2{64}$/);
    await assert.rejects(installation.api.request('/api/v1/namespaces/tenant-carol'), /404|not found/);
  });

  it('reaches whom it should although the owner’s name ends as an environment does', async () => {
    await push({ owner: 'alice-staging', functionName: 'own', source: '4' });
    assert.equal(await installation.imageIn('staging-tenant-alice', 'alice-staging-own'), undefined);
  });
});

describe('a tenant that was set up by its push', () => {
  const refused = async (files: Record<string, string>, words: RegExp) => {
    await installation.commit('alice', files);
    await until(
      async () => words.test(await installation.failureOf('alice')),
      `alice to be refused: ${words}`,
    );
    await installation.commit('alice', Object.fromEntries(Object.keys(files).map((name) => [name, null])));
  };

  it('may not touch another one', async () => {
    await refused({ 'hers.yaml': functionText('bob', 'hello', 'stolen') }, /of alice, not of bob/);
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'plain' } };
    await refused({ 'secret.yaml': JSON.stringify(secret) }, /forbidden/);
    const elsewhere = functionText('alice', 'visitor', 'one').replace('openfaas-fn', 'tenant-bob');
    await installation.commit('alice', { 'visitor.yaml': elsewhere });
    const at = (namespace: string) => installation.imageIn(namespace, 'alice-visitor');
    await until(async () => (await at('tenant-alice')) !== undefined, 'it to be applied');
    assert.equal(await at('tenant-bob'), undefined);
    assert.match((await installation.imageIn('tenant-bob', 'bob-hello')) ?? '', /@sha256:1{64}$/);
  });

  it('may not touch its own in another environment', async () => {
    const may = (account: string, namespace: string) =>
      installation.may(`flux-system:${account}`, 'patch', 'openfaas.com/functions', namespace);
    assert.equal(await may('tenant-alice', 'tenant-alice'), true);
    assert.equal(await may('tenant-alice', 'staging-tenant-alice'), false);
    assert.equal(await may('tenant-alice.staging', 'staging-tenant-alice'), true);
    assert.equal(await may('tenant-alice.staging', 'tenant-alice'), false);
  });
});

describe('a deploy', () => {
  it('makes Flux look at nothing that operators wrote, but at what syncs it', async () => {
    const before = await installation.lookedAt();
    await push({ owner: 'alice', source: '5' });
    const since = await installation.lookedAt();
    for (const name of ['set-up-alice', 'set-up-bob', 'towline-platform', 'towline-system', 'tenant-bob']) {
      assert.ok(before.has(name), name);
      assert.equal(since.get(name), before.get(name), name);
    }
    assert.notEqual(since.get('tenant-alice'), before.get('tenant-alice'));
  });
});
