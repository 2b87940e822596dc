import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { ClusterError } from '../../runtime/kubernetes/cluster-api.ts';
import { until } from '../../test/cluster/kubernetes/apply.ts';
import { renderTenant } from '../render/tenant.ts';
import {
  type AppliedInstallation,
  type Condition,
  kustomizations,
  startInstallation,
  functionText as text,
} from './installed-fixture.ts';
import { rendered } from './rendered-fixture.ts';

let installation: AppliedInstallation;
before(async () => {
  installation = await startInstallation({ delivery: 'generator' }, process.env['PATH'] ?? '');
  for (const owner of ['alice', 'bob']) await deploy(owner, 'hello', 'first');
});
after(() => installation?.[Symbol.asyncDispose]());

const commit: AppliedInstallation['commit'] = (owner, files) => installation.commit(owner, files);
const deploy: AppliedInstallation['deploy'] = (...deployed) => installation.deploy(...deployed);
const imageOf: AppliedInstallation['imageOf'] = (owner, name) => installation.imageOf(owner, name);
const failureOf: AppliedInstallation['failureOf'] = (owner) => installation.failureOf(owner);

/** Alice tries something: Flux says why not, bob goes on, and without it alice does too. */
async function refused(files: Record<string, string>, words: RegExp): Promise<void> {
  const tag = `t${Date.now()}`;
  await commit('alice', files);
  await until(async () => words.test(await failureOf('alice')), `alice to be refused: ${words}`).catch(
    async (cause: unknown) => {
      throw new Error(`Flux says: ${await failureOf('alice')}`, { cause });
    },
  );
  await deploy('bob', 'hello', tag);
  await commit('alice', Object.fromEntries(Object.keys(files).map((name) => [name, null])));
  await deploy('alice', 'hello', tag);
}

describe("a tenant's folder of the GitOps repository", () => {
  it('is applied in the namespace of the tenant, whatever namespace a manifest names', async () => {
    const elsewhere = text('alice', 'visitor', 'one').replace('openfaas-fn', 'tenant-bob');
    await commit('alice', { 'visitor.yaml': elsewhere });
    await until(async () => (await imageOf('alice', 'alice-visitor')) !== undefined, 'it to be applied');
    assert.equal(await imageOf('bob', 'alice-visitor'), undefined);
    await commit('alice', { 'visitor.yaml': null });
    await until(async () => (await imageOf('alice', 'alice-visitor')) === undefined, 'it to be pruned');
  });

  it('may hold nothing of the cluster as a whole', async () => {
    const group = 'rbac.authorization.k8s.io';
    const binding = {
      ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'alice-is-admin' } },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', name: 'alice', apiGroup: group }],
    };
    await refused({ 'power.yaml': JSON.stringify(binding) }, /clusterrolebindings.*forbidden|forbidden/i);
    const gone = installation.api.request(`/apis/${group}/v1/clusterrolebindings/alice-is-admin`);
    await assert.rejects(gone, (error: ClusterError) => error.status === 404);
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'alice-two' } };
    await refused({ 'space.yaml': JSON.stringify(namespace) }, /forbidden/);
  });

  it("may hold no kind but the target's", async () => {
    const spec = { sourceRef: { kind: 'GitRepository', name: 'gitops' }, path: './tenants/bob', prune: true };
    const own = { ...spec, interval: '1h', serviceAccountName: 'platform' };
    for (const object of [
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'plain' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'towline-tenant-bob' } },
      {
        apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
        kind: 'Kustomization',
        metadata: { name: 'x' },
        spec: own,
      },
    ]) {
      await refused({ 'other.yaml': JSON.stringify(object) }, /forbidden/);
    }
  });

  it('may not command Flux', async () => {
    for (const key of ['kustomize.toolkit.fluxcd.io/prune', 'argocd.argoproj.io/sync-options']) {
      const commanded = text('alice', 'stays', 'one').replace(
        'annotations:',
        `annotations:\n    ${key}: disabled`,
      );
      await refused({ 'stays.yaml': commanded }, /a tenant may not command the GitOps engine/);
      assert.equal(await imageOf('alice', 'alice-stays'), undefined);
    }
  });

  it('may hold nothing that says it is of another tenant', async () => {
    await refused({ 'hers.yaml': text('bob', 'hello', 'stolen') }, /this namespace is of alice, not of bob/);
    assert.equal(await imageOf('alice', 'bob-hello'), undefined);
    assert.doesNotMatch((await imageOf('bob', 'bob-hello')) ?? '', /stolen/);
  });

  it("cannot reach into another tenant's folder, or out of the repository", async () => {
    for (const [at, words] of [
      ['../bob', /kustomize build failed|no such file|not in|denied|must build/i],
      ['../../flux/tenants/bob.yaml', /kustomize build failed|no such file|denied/i],
      ['https://git.example.org/x//y?ref=main', /remote|kustomize build failed/i],
    ] as const) {
      const kustomization = {
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: [at],
      };
      await refused({ 'kustomization.yaml': JSON.stringify(kustomization) }, words);
      assert.equal(await imageOf('alice', 'bob-hello'), undefined);
    }
  });

  it('is let go by the commit that takes the tenant out, and nobody else is', async () => {
    await installation.repository.commit({
      'flux/tenants/carol.yaml':
        (await rendered({ delivery: 'generator', tenants: ['carol'] })).get('flux/tenants/carol.yaml') ?? '',
      'tenants/carol/tenant.yaml': renderTenant({ owner: 'carol', ownerId: 'c', namespace: 'openfaas-fn' }),
    });
    await deploy('carol', 'hello', 'one');
    await installation.repository.commit({ 'flux/tenants/carol.yaml': null });
    await commit('bob', { 'other.yaml': text('bob', 'other', 'one') });
    await until(async () => {
      const { items } = await installation.api.request<{ items: { metadata: { name: string } }[] }>(
        kustomizations,
      );
      return !items.some(({ metadata }) => metadata.name === 'tenant-carol');
    }, "carol's Kustomization to be gone");
    // The namespace takes its functions along; that is the work of a controller that doesn't run here.
    await until(async () => {
      const { metadata } = await installation.api.request<{ metadata: { deletionTimestamp?: string } }>(
        '/api/v1/namespaces/tenant-carol',
      );
      return metadata.deletionTimestamp !== undefined;
    }, "carol's namespace to be going");
    await deploy('alice', 'hello', 'still');
  });
});

describe('what Flux applies without a service account', () => {
  it('is refused', async () => {
    const path = './tenants/bob';
    await installation.server.apply([
      {
        ...{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' },
        metadata: { name: 'nobody', namespace: 'flux-system' },
        spec: {
          ...{ path, prune: true, interval: '1h', targetNamespace: 'tenant-bob' },
          sourceRef: { kind: 'GitRepository', name: 'gitops' },
        },
      } as KubernetesObject,
    ]);
    await until(async () => {
      const { status } = await installation.api.request<{ status?: { conditions?: Condition[] } }>(
        `${kustomizations}/nobody`,
      );
      return status?.conditions?.some(({ message = '' }) => /forbidden/.test(message)) ?? false;
    }, 'Flux to be refused');
  });
});

type Ask = [account: string, verb: string, resource: string, where: string, allowed: boolean];
/** The whole cluster, as a review of rights names it. */
const everywhere = '';
const followers = ['towline:router', 'towline:builder', 'towline:ui'];
const asks: Ask[] = [
  ['towline:router', 'list', 'openfaas.com/functions', 'tenant-alice', true],
  ['towline:router', 'patch', 'apps/deployments/scale', 'tenant-alice', true],
  ['towline:router', 'patch', 'openfaas.com/functions', 'tenant-alice', false],
  ['towline:router', 'list', '/secrets', 'kube-system', false],
  ...followers.flatMap((account) => [
    ...['openfaas.com/functions', 'apps/deployments', '/pods'].flatMap((kind): Ask[] => [
      [account, 'watch', kind, 'tenant-alice', true],
      [account, 'list', kind, 'kube-system', false],
      [account, 'list', kind, 'towline', false],
      [account, 'list', kind, everywhere, false],
    ]),
    // By their labels tenants' namespaces are found.
    [account, 'watch', '/namespaces', everywhere, true] satisfies Ask,
    [account, 'list', '/secrets', everywhere, false] satisfies Ask,
  ]),
  ['towline:router', 'create', '/pods', 'tenant-alice', false],
  ['towline:router', 'get', '/secrets', 'tenant-alice', false],
  ['towline:builder', 'watch', 'kustomize.toolkit.fluxcd.io/kustomizations', 'flux-system', true],
  // To have one applied again; the admission policy lets it change nothing else.
  ['towline:builder', 'patch', 'kustomize.toolkit.fluxcd.io/kustomizations', 'flux-system', true],
  ['towline:builder', 'update', 'kustomize.toolkit.fluxcd.io/kustomizations', 'flux-system', false],
  ['towline:builder', 'create', 'kustomize.toolkit.fluxcd.io/kustomizations', 'flux-system', false],
  ['towline:builder', 'watch', 'openfaas.com/functions', 'tenant-bob', true],
  // A version that would sleep from the start is tried once.
  ['towline:builder', 'patch', 'apps/deployments/scale', 'tenant-bob', true],
  ['towline:builder', 'patch', 'apps/deployments', 'tenant-bob', false],
  ['towline:ui', 'patch', 'apps/deployments/scale', 'tenant-bob', false],
  ['towline:builder', 'get', '/secrets', 'flux-system', false],
  ['towline:manifest-writer', 'get', '/secrets', 'flux-system', false],
  ['towline:manifest-writer', 'create', 'openfaas.com/functions', 'tenant-alice', false],
  ['flux-system:tenant-alice', 'patch', 'openfaas.com/functions', 'tenant-alice', true],
  ['flux-system:tenant-alice', 'patch', 'openfaas.com/functions', 'tenant-bob', false],
  ['flux-system:tenant-alice', 'get', '/secrets', 'tenant-alice', false],
  ['flux-system:powerless', 'get', '/configmaps', 'flux-system', false],
  ['towline-builds:buildkitd', 'get', '/pods', 'towline-builds', false],
];

describe('the rights of the services', () => {
  for (const [account, verb, resource, namespace, allowed] of asks) {
    it(`${account} may ${allowed ? '' : 'not '}${verb} ${resource} in ${namespace || 'the whole cluster'}`, async () => {
      assert.equal(await installation.may(account, verb, resource, namespace), allowed);
    });
  }
});
