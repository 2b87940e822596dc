import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { apply, until } from '../../test/cluster/kubernetes/apply.ts';
import { cannotKill } from '../../test/cluster/kubernetes/control-plane.ts';
import { type FluxCluster, startFluxCluster } from '../../test/cluster/kubernetes/flux-installation.ts';
import type { DeliveryMode } from '../../test/cluster/kubernetes/tenants.ts';
import { createFollowedInstallation, type FollowedInstallation, functionText } from './flux-fixture.ts';

let cluster: FluxCluster;
before(async () => {
  cluster = await startFluxCluster({ watcher: true });
});
after(() => cluster[Symbol.asyncDispose]());

const open: FollowedInstallation[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function install(mode: DeliveryMode): Promise<FollowedInstallation> {
  const one = await createFollowedInstallation(cluster, mode);
  open.push(one);
  return one;
}

const flux = '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations';
const functions = ({ installation }: FollowedInstallation) =>
  `/apis/openfaas.com/v1/namespaces/${installation.namespace}/functions`;

async function names(one: FollowedInstallation): Promise<string[]> {
  const { items } = await cluster.api.request<{ items: { metadata: { name: string } }[] }>(functions(one));
  return items.map(({ metadata }) => metadata.name);
}

async function live(one: FollowedInstallation, owner: string, functionName: string, answer: string) {
  assert.deepEqual(await one.follow(await one.commit(owner, functionName, { answer })), { type: 'live' });
}

describe("a tenant's last function", () => {
  for (const mode of ['repository', 'generator', 'published'] as const) {
    it(`is pruned, because the sentinel keeps its folder (${mode})`, async () => {
      const one = await install(mode);
      await live(one, 'alice', 'hello', 'one');
      assert.deepEqual(await one.follow(await one.commit('alice', 'hello', { removed: true })), {
        type: 'removed',
      });
      assert.deepEqual(await names(one), []);
    });
  }

  it('is pruned without a sentinel too, if the manifest-writer publishes', async () => {
    const one = await install('published');
    await live(one, 'alice', 'hello', 'one');
    await one.edit({ 'tenants/alice/tenant.yaml': null, 'tenants/alice/hello.yaml': null });
    await one.installation.publisher?.look();
    await until(async () => (await names(one)).length === 0, 'the function to be gone');
  });

  it('stays for ever without a sentinel, if Flux reads the repository: the trap that the sentinel is for', async () => {
    const one = await install('repository');
    await live(one, 'alice', 'hello', 'one');
    await one.edit({ 'tenants/alice/tenant.yaml': null, 'tenants/alice/hello.yaml': null });
    await one.installation.untilFetched();
    const path = `${flux}/${one.installation.kustomizationOf('alice')}`;
    await until(async () => {
      const { status } = await cluster.api.request<{ status: { conditions: { reason: string }[] } }>(path);
      return status.conditions.some(({ reason }) => reason === 'ArtifactFailed');
    }, 'Flux to miss the folder');
    assert.deepEqual(await names(one), ['alice-hello']);
  });
});

describe('a folder whose name cannot be a tenant', () => {
  const bad = {
    'tenants/Not_A_Tenant/tenant.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n',
  };

  it('stops nobody, if the manifest-writer publishes', async () => {
    const one = await install('published');
    await one.edit(bad);
    await live(one, 'alice', 'hello', 'one');
  });

  it('stops every tenant of an ArtifactGenerator', async () => {
    const one = await install('generator');
    await live(one, 'alice', 'hello', 'one');
    await one.edit(bad);
    await one.commit('alice', 'hello', { answer: 'two' });
    await one.installation.untilFetched();
    const { name } = one.installation;
    const path = `/apis/source.extensions.fluxcd.io/v1beta1/namespaces/flux-system/artifactgenerators/${name}`;
    await until(async () => {
      const { status } = await cluster.api.request<{
        status: { conditions: { type: string; status: string }[] };
      }>(path);
      return status.conditions.some((found) => found.type === 'Ready' && found.status === 'False');
    }, 'the generator to fail');
    assert.equal(await one.served('alice', 'hello'), 'one');
  });
});

describe('what somebody changes in the cluster', () => {
  it('is shown by the catalog, and put right soon: Flux itself would only look within the hour', async () => {
    const one = await install('published');
    await live(one, 'alice', 'hello', 'one');
    const path = `${functions(one)}/alice-hello`;
    const image = 'registry.test/alice/hello:drifted';
    await cluster.api.request(path, { method: 'PATCH', patch: 'merge', body: { spec: { image } } });
    const { catalog } = one.installation;
    await until(async () => catalog.lookup('alice', 'hello')?.desiredImage === image, 'the drift to be seen');
    const drifted = catalog.lookup('alice', 'hello');
    assert.equal(drifted?.status, 'Degraded');
    assert.match(drifted.reason ?? '', /^differs from git: image changed in the cluster by /);
    assert.equal(drifted.targets.length, 1);
    await until(
      async () => catalog.lookup('alice', 'hello')?.desiredImage.includes(':one@') ?? false,
      'the repair to be seen',
    );
    await until(async () => catalog.lookup('alice', 'hello')?.status === 'Ready', 'it to be as git says');
    assert.equal(catalog.lookup('alice', 'hello')?.drift, undefined);
    await cluster.api.request(path, { method: 'DELETE' });
    await until(async () => catalog.lookup('alice', 'hello') === undefined, 'the removal to be seen');
    await until(async () => (await one.served('alice', 'hello')) === 'one', 'it to be served again');
  });

  it('does not make a follower give up: git still asks for it', async () => {
    const one = await install('published');
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    assert.deepEqual(await one.follow(target), { type: 'live' });
    await cluster.api.request(`${functions(one)}/alice-hello`, { method: 'DELETE' });
    const { catalog } = one.installation;
    await until(async () => catalog.lookup('alice', 'hello') === undefined, 'the removal to be seen');
    const following = one.follow(target);
    assert.deepEqual(await following, { type: 'live' });
  });
});

describe('a manifest that the cluster refuses', () => {
  it("is the cause of what happens to its own function, and named as the cause of others' of the same tenant", async () => {
    const one = await install('published');
    await live(one, 'alice', 'hello', 'one');
    const invalid = functionText('alice', 'other', 'x').replace(/^ {2}image: .*$/m, '  image: 7');
    const commit = await one.edit({ 'tenants/alice/other.yaml': invalid });
    const own = await one.follow({
      owner: 'alice',
      functionName: 'other',
      commit,
      digest: `sha256:${'1'.repeat(64)}`,
    });
    assert.ok(own.type === 'failed' && own.stage === 'apply', JSON.stringify(own));
    assert.equal(own.cause.code, 'manifest_refused');
    assert.match(own.cause.message, /^the cluster refuses the manifest: .*spec\.image/);
    const held = await one.follow(await one.commit('alice', 'hello', { answer: 'two' }));
    assert.ok(held.type === 'failed' && held.stage === 'apply', JSON.stringify(held));
    assert.match(held.cause.message, /^held up by alice-other: /);
    assert.match(held.cause.hint ?? '', /Nothing of alice is applied until alice-other is right or gone/);
    assert.equal(await one.served('alice', 'hello'), 'one');
    await live(one, 'bob', 'hello', 'fine');
    await one.edit({ 'tenants/alice/other.yaml': null });
    await live(one, 'alice', 'hello', 'three');
  });

  it("is told in the words of the cluster's own policy", async () => {
    const one = await install('published');
    const { namespace } = one.installation;
    await forbidTag(namespace);
    await until(async () => {
      const outcome = await one.follow(
        await one.commit('alice', 'hello', { answer: `forbidden${Date.now()}` }),
      );
      if (outcome.type !== 'failed') return false;
      assert.match(outcome.cause.message, /the cluster refuses the manifest: .*no forbidden images here/);
      return true;
    }, 'the policy to be in force');
  });

  it('names the file that cannot be read', async () => {
    const one = await install('repository');
    await live(one, 'alice', 'hello', 'one');
    await one.commit('alice', 'other', { unreadable: true });
    const outcome = await one.follow(await one.commit('alice', 'hello', { answer: 'two' }));
    assert.ok(outcome.type === 'failed', JSON.stringify(outcome));
    assert.match(outcome.cause.message, /^held up by other\.yaml: Flux cannot read the manifest/);
    assert.doesNotMatch(outcome.cause.message, /\/tmp\//);
  });
});

describe('while a commit is followed', () => {
  it('the API server may go away and come back', { skip: cannotKill }, async () => {
    const one = await install('published');
    await live(one, 'alice', 'hello', 'one');
    await cluster.plane.killApiServer();
    const following = one.follow(await one.commit('alice', 'hello', { answer: 'two' }));
    await cluster.plane.startApiServer();
    await one.installation.publisher?.look();
    assert.deepEqual(await following, { type: 'live' });
  });
});

function forbidTag(namespace: string): Promise<void> {
  const metadata = { name: `no-forbidden-${namespace}` };
  const group = 'admissionregistration.k8s.io/v1';
  const rule = { apiGroups: ['openfaas.com'], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'] };
  const validations = [
    { expression: "!object.spec.image.contains('forbidden')", message: 'no forbidden images here' },
  ];
  const constraints = { resourceRules: [{ ...rule, resources: ['functions'] }] };
  return apply(cluster.config, [
    {
      ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicy', metadata },
      spec: { failurePolicy: 'Fail', matchConstraints: constraints, validations },
    },
    {
      ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicyBinding', metadata },
      spec: {
        policyName: metadata.name,
        validationActions: ['Deny'],
        matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
      },
    },
  ] as unknown as Parameters<typeof apply>[1]);
}
