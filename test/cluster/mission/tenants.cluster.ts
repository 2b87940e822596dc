import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../e2e/product.ts';
import type { MissionCluster } from './cluster.ts';
import { type Mission, startMission, startOutside } from './mission.ts';
import { ended, type Owner, type Source, shown, signUp, sourceOf, states, tellOfGitOps } from './people.ts';
import { stackFiles } from './stack-files.ts';

describe('two tenants of one installation', () => {
  const resources = new AsyncDisposableStack();
  let mission: Mission;
  let cluster: MissionCluster;
  let alice: Owner;
  let bob: Owner;
  let shops: Record<'alice' | 'bob', Source>;
  let round = 0;
  before(async () => {
    const outside = resources.use(await startOutside());
    mission = resources.use(await startMission(outside, ['alice/hello', 'bob/hello']));
    ({ cluster } = mission);
    alice = await signUp(mission, 'alice');
    bob = await signUp(mission, 'bob');
    shops = { alice: await sourceOf(mission, alice, 'shop'), bob: await sourceOf(mission, bob, 'shop') };
    await Promise.all([deploy('alice'), deploy('bob')]);
  });
  after(() => resources.disposeAsync());

  async function deploy(name: 'alice' | 'bob'): Promise<void> {
    round += 1;
    const texts = { hello: `round ${round}` };
    const { id } = await shops[name].push(`Round ${round}`, stackFiles(mission.outside.baseImage, texts));
    const owner = name === 'alice' ? alice : bob;
    const push = await ended(owner, id);
    assert.deepEqual(states(push), { hello: 'live' }, JSON.stringify(push));
    assert.equal(await cluster.imageOf(name, 'hello'), push.deploys[0]?.image);
  }

  /** Commits to alice's folder as a person who may write there does; gives the way to take it back. */
  async function byHand(files: Record<string, string>): Promise<() => Promise<void>> {
    const { gitOps } = mission.outside;
    const commit = async (message: string, changes: Record<string, string | null>) => {
      await gitOps.git('pull', '-q', '--rebase', 'origin', 'main');
      await gitOps.commit(message, changes);
      await gitOps.git('push', '-q', 'origin', 'HEAD:main');
      await tellOfGitOps(mission);
    };
    const named = Object.entries(files).map(([name, text]) => [`tenants/alice/${name}`, text]);
    await commit('By hand', Object.fromEntries(named));
    return () => commit('Take it back', Object.fromEntries(named.map(([path]) => [path, null])));
  }

  async function manifestOf(owner: Owner): Promise<string> {
    const { manifest } = await owner.detail('hello');
    assert.ok(manifest);
    return manifest;
  }

  /** Bob goes on, and Flux refuses alice's folder with these words; without it alice goes on too. */
  async function refused(files: Record<string, string>, words: RegExp): Promise<void> {
    const takeBack = await byHand(files);
    await deploy('bob');
    await eventually(`Flux to say ${words}`, async () => words.test(await cluster.failureOf('alice')));
    await takeBack();
    await deploy('alice');
  }

  it("do not see each other's functions, pushes and logs", async () => {
    for (const path of [
      '/api/v1/owners/bob/functions',
      '/api/v1/owners/bob/pushes',
      '/api/v1/owners/bob/functions/hello',
    ])
      await assert.rejects(alice.api('GET', path), /40[34]/);
    const answer = await shops.alice.deliver(
      {
        id: 'x',
        type: 'repository-deleted',
        scm: 'git',
        repository: shops.bob.repository,
        actor: { name: 'Eve', email: 'eve@example.org', login: 'eve' },
      },
      'not the secret',
    );
    assert.equal(answer.status, 401, answer.body);
  });

  it("keep to their namespaces, whatever a manifest's says", async () => {
    const text = (await manifestOf(alice))
      .replaceAll('alice-hello', 'alice-visitor')
      .replace(/^( *namespace:).*$/m, '$1 tenant-bob');
    const takeBack = await byHand({ 'visitor.yaml': text });
    const path = (tenant: string) =>
      `/apis/openfaas.com/v1/namespaces/tenant-${tenant}/functions/alice-visitor`;
    await eventually('it in her own namespace', () =>
      cluster.api.request(path('alice')).then(
        () => true,
        () => false,
      ),
    );
    await assert.rejects(cluster.api.request(path('bob')), /not found/);
    await takeBack();
    await eventually('it to be pruned', () =>
      cluster.api.request(path('alice')).then(
        () => false,
        () => true,
      ),
    );
  });

  it('have no kind of the cluster as a whole', async () => {
    const group = 'rbac.authorization.k8s.io';
    const binding = {
      ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'alice-is-admin' } },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', name: 'alice', apiGroup: group }],
    };
    await refused({ 'power.yaml': JSON.stringify(binding) }, /forbidden/);
  });

  it('cannot command Flux', async () => {
    const key = 'kustomize.toolkit.fluxcd.io/prune';
    const text = (await manifestOf(alice))
      .replaceAll('alice-hello', 'alice-stays')
      .replace('annotations:', `annotations:\n    ${key}: disabled`);
    await refused({ 'stays.yaml': text }, /a tenant may not command the GitOps engine/);
  });

  it("cannot say that something is another's", async () => {
    await refused({ 'hers.yaml': await manifestOf(bob) }, /this namespace is of alice, not of bob/);
  });

  it("cannot reach into each other's folders", async () => {
    const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
    const takeBack = await byHand({
      'kustomization.yaml': JSON.stringify({ ...kustomization, resources: ['../bob'] }),
    });
    await deploy('alice');
    await deploy('bob');
    await assert.rejects(
      cluster.api.request('/apis/openfaas.com/v1/namespaces/tenant-alice/functions/bob-hello'),
      /not found/,
    );
    await takeBack();
  });

  it('have their own mistakes: one that cannot be read holds up nobody else, and is told', async () => {
    const takeBack = await byHand({ 'broken.yaml': 'kind: [' });
    await eventually('Flux to say so', async () => (await cluster.failureOf('alice')) !== '', 60_000);
    await deploy('bob');
    round += 1;
    const { id } = await shops.alice.push(
      'Held up',
      stackFiles(mission.outside.baseImage, { hello: `round ${round}` }),
    );
    const push = await ended(alice, id);
    assert.equal(push.deploys[0]?.state, 'failed', JSON.stringify(push.deploys));
    assert.match(push.deploys[0]?.cause?.message ?? '', /broken\.yaml/);
    await takeBack();
    await eventually(
      'what waited to be applied',
      async () => (await cluster.imageOf('alice', 'hello')) === push.deploys[0]?.image,
    );
  });

  it('get back what somebody changes or deletes in the cluster', async () => {
    const path = '/apis/openfaas.com/v1/namespaces/tenant-alice/functions/alice-hello';
    const wanted = await cluster.imageOf('alice', 'hello');
    const body = { spec: { image: `registry.test/evil@sha256:${'e'.repeat(64)}` } };
    // What is suspended is not put right, so that it can be seen for as long as it takes.
    await suspend(true);
    await cluster.api.request(path, { method: 'PATCH', patch: 'merge', body });
    await eventually('the API to tell', async () => (await alice.detail('hello')).entry?.drift !== undefined);
    await suspend(false);
    await eventually('the image', async () => (await cluster.imageOf('alice', 'hello')) === wanted);
    await shown(alice, 'hello', { status: 'Ready' });
    // Nobody has Flux look, which would by itself do so within the hour.
    await cluster.api.request(path, { method: 'DELETE' });
    await eventually('the object', async () => (await cluster.imageOf('alice', 'hello')) === wanted);
  });

  async function suspend(isSuspended: boolean): Promise<void> {
    const at = '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/tenant-alice';
    const body = { spec: { suspend: isSuspended } };
    await cluster.api.request(at, { method: 'PATCH', patch: 'merge', body });
  }
});
