import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { FollowOutcome, FollowTarget } from '../../core/reconciler.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { apply, until } from '../../test/cluster/kubernetes/apply.ts';
import { type FluxCluster, startFluxCluster } from '../../test/cluster/kubernetes/flux-installation.ts';
import type { DeliveryMode } from '../../test/cluster/kubernetes/tenants.ts';
import { createFollowedInstallation, type FollowedInstallation } from './flux-fixture.ts';

let cluster: FluxCluster;
before(async () => {
  cluster = await startFluxCluster();
});
after(() => cluster[Symbol.asyncDispose]());

const open: FollowedInstallation[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function install(mode: DeliveryMode): Promise<FollowedInstallation> {
  const one = await createFollowedInstallation(cluster, mode, ['alice']);
  open.push(one);
  return one;
}

const fluxSystem = '/namespaces/flux-system';
const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1${fluxSystem}/kustomizations`;
const repositories = `/apis/source.toolkit.fluxcd.io/v1${fluxSystem}/gitrepositories`;
const merge = (path: string, body: unknown) =>
  cluster.api.request(path, { method: 'PATCH', patch: 'merge', body });
const kustomizationOf = ({ installation }: FollowedInstallation, owner = 'alice') =>
  `${kustomizations}/${installation.kustomizationOf(owner)}`;
const repositoryOf = ({ installation }: FollowedInstallation) => `${repositories}/${installation.name}`;

interface Watched {
  outcome: Promise<FollowOutcome>;
  /** Everything that was told, in order. */
  told: (string | null)[];
  /** Resolves when the last thing told fits. */
  says(what: RegExp | null): Promise<void>;
}

/** Follows as the pipeline does. */
function watch({ reconciler }: FollowedInstallation, target: FollowTarget): Watched {
  const told: (string | null)[] = [];
  const changes = createChangeSignal();
  reconciler.nudge();
  const onWaiting = (why: string | null) => {
    told.push(why);
    changes.notify();
  };
  const outcome = reconciler.follow(target, () => undefined, AbortSignal.timeout(120_000), onWaiting);
  outcome.catch(() => {});
  return {
    ...{ outcome, told },
    says: async (what) => {
      const fits = () => {
        const last = told.at(-1);
        return what === null ? last === null : typeof last === 'string' && what.test(last);
      };
      const timeout = AbortSignal.timeout(60_000);
      await changes
        .until(() => fits() || undefined, timeout)
        .catch(() => assert.fail(`${JSON.stringify(told)} has no ${what}`));
    },
  };
}

/** What is in the way is told, and forgotten when it is out of the way. */
async function waitsThenGoesOn(
  one: FollowedInstallation,
  target: FollowTarget,
  words: RegExp,
  clear: () => Promise<unknown>,
): Promise<void> {
  const watched = watch(one, target);
  await watched.says(words);
  await clear();
  assert.deepEqual(await watched.outcome, { type: 'live' });
  assert.equal(watched.told.at(-1), null, JSON.stringify(watched.told));
  for (const why of watched.told) assert.doesNotMatch(why ?? '', /\n/);
}

describe('a deploy says why it waits', () => {
  it('for a Kustomization that somebody suspended', async () => {
    const one = await install('repository');
    await merge(kustomizationOf(one), { spec: { suspend: true } });
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    await waitsThenGoesOn(one, target, /the Kustomization \S+-alice is suspended/, () =>
      merge(kustomizationOf(one), { spec: { suspend: false } }),
    );
  });

  it('for a tenant that is not set up in the cluster', async () => {
    const one = await install('repository');
    const target = await one.commit('carol', 'hello', { answer: 'one' });
    await waitsThenGoesOn(one, target, /no Kustomization \S+-carol: carol is not set up there/, () =>
      one.installation.addTenant('carol').then(() => one.installation.untilFetched()),
    );
  });

  it('for a repository that Flux cannot fetch', async () => {
    const one = await install('repository');
    const { url } = one.installation;
    await merge(repositoryOf(one), { spec: { url: url.replace(/gitops\.git$/, 'gone.git') } });
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    await waitsThenGoesOn(one, target, /Flux cannot fetch the GitOps repository: .*gone\.git/, () =>
      merge(repositoryOf(one), { spec: { url } }),
    );
  });

  it('for a repository that somebody suspended', async () => {
    const one = await install('repository');
    await merge(repositoryOf(one), { spec: { suspend: true } });
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    await waitsThenGoesOn(one, target, /the GitRepository \S+ is suspended/, () =>
      merge(repositoryOf(one), { spec: { suspend: false } }),
    );
  });

  it('for something that its Kustomization depends on', async () => {
    const one = await install('repository');
    await merge(kustomizationOf(one), { spec: { dependsOn: [{ name: 'not-there' }] } });
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    await waitsThenGoesOn(one, target, /Flux waits for something else: .*not-there/, () =>
      merge(kustomizationOf(one), { spec: { dependsOn: null } }),
    );
  });

  it('for an archive that cannot be had from the manifest-writer', async () => {
    const one = await install('published');
    assert.deepEqual(await one.follow(await one.commit('alice', 'hello', { answer: 'one' })), {
      type: 'live',
    });
    const watched = watch(one, await commitOutOfReach(one));
    await watched.says(/Flux (?:is not done yet|cannot fetch the manifests): .*(?:[Ff]etching|download)/);
    assert.equal(await one.served('alice', 'hello'), 'one');
    // Flux itself tries the address that it has for some minutes, so this test does not see it go on.
  });

  it('for what is applied and was deleted in the cluster', async () => {
    const one = await install('published');
    const target = await one.commit('alice', 'hello', { answer: 'one' });
    assert.deepEqual(await one.follow(target), { type: 'live' });
    const { namespace, catalog } = one.installation;
    // What is suspended is not put right by itself, which would end the waiting before it is told.
    await merge(kustomizationOf(one), { spec: { suspend: true } });
    await cluster.api.request(`/apis/openfaas.com/v1/namespaces/${namespace}/functions/alice-hello`, {
      method: 'DELETE',
    });
    await until(async () => catalog.lookup('alice', 'hello') === undefined, 'the removal to be seen');
    await waitsThenGoesOn(one, target, /it is applied, but the function is not there/, () =>
      merge(kustomizationOf(one), {
        metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': '2' } },
        spec: { suspend: false },
      }),
    );
  });
});

/** A commit whose archive Flux is told to fetch from where there is none. */
async function commitOutOfReach(one: FollowedInstallation): Promise<FollowTarget> {
  const object = one.installation.kustomizationOf('alice');
  const path = `/apis/source.toolkit.fluxcd.io/v1${fluxSystem}/externalartifacts/${object}`;
  await merge(kustomizationOf(one), { spec: { suspend: true } });
  const target = await one.commit('alice', 'hello', { answer: 'two' });
  await one.installation.publisher?.look();
  const { status } = await cluster.api.request<{ status: { artifact: { url: string } } }>(path);
  const url = status.artifact.url.replace(/:\d+\//, ':9/');
  await merge(`${path}/status`, { status: { artifact: { ...status.artifact, url } } });
  await merge(kustomizationOf(one), { spec: { suspend: false } });
  return target;
}

describe('a deploy fails in words', () => {
  async function failure(one: FollowedInstallation, target: FollowTarget) {
    const outcome = await watch(one, target).outcome;
    assert.ok(outcome.type === 'failed', JSON.stringify(outcome));
    return outcome;
  }

  it('when Flux may not remove what is gone from git', async () => {
    const one = await install('repository');
    assert.deepEqual(await one.follow(await one.commit('alice', 'hello', { answer: 'one' })), {
      type: 'live',
    });
    await allow(one, ['get', 'list', 'watch', 'create', 'update', 'patch']);
    const { stage, cause } = await failure(one, await one.commit('alice', 'hello', { removed: true }));
    assert.equal(stage, 'apply');
    assert.match(cause.message, /Flux cannot remove what is gone from git: .*forbidden/);
    assert.equal(await one.served('alice', 'hello'), 'one');
  });

  it('when a quota of the tenant does not allow one more function', async () => {
    const one = await install('repository');
    const { namespace } = one.installation;
    const hard = { 'count/functions.openfaas.com': '0' };
    const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
    await cluster.api.request(path, {
      method: 'POST',
      body: { metadata: { name: 'tenant' }, spec: { hard } },
    });
    // As the controller that counts does.
    await merge(`${path}/tenant/status`, { status: { hard, used: hard } });
    const { cause } = await failure(one, await one.commit('alice', 'hello', { answer: 'one' }));
    assert.equal(cause.code, 'policy_refused');
    assert.match(cause.message, /the cluster refuses the manifest: .*exceeded quota: tenant/);
  });

  for (const [tag, words] of [
    ['broken', /its image cannot be pulled: manifest unknown/],
    ['nosecret', /its container cannot be made: secret "alice-\w+-key" not found/],
    ['crashing', /it ends again and again: it ended with Error \(exit code 3\)/],
    ['ending', /it ends again and again: it ended with OOMKilled \(exit code 137\)/],
    ['nonode', /no node of the cluster can take it: 0\/3 nodes are available/],
    ['quota', /the cluster refuses its pods: pods ".*" is forbidden: exceeded quota/],
  ] as const) {
    it(`when its pods cannot run (${tag}), and what was served before goes on`, async () => {
      const one = await install('repository');
      assert.deepEqual(await one.follow(await one.commit('alice', 'hello', { answer: 'one' })), {
        type: 'live',
      });
      const { stage, cause } = await failure(one, await one.commit('alice', 'hello', { answer: tag }));
      assert.deepEqual([stage, cause.code], ['live', 'unhealthy']);
      assert.match(cause.message, words);
      assert.match(cause.message, /the version before still serves/);
      assert.equal(await one.served('alice', 'hello'), 'one');
    });
  }

  async function allow({ installation: { namespace } }: FollowedInstallation, verbs: string[]) {
    const rules = [
      { apiGroups: ['openfaas.com'], resources: ['functions'], verbs },
      { apiGroups: [''], resources: ['configmaps'], verbs },
    ];
    await apply(cluster.config, [
      {
        ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' },
        ...{ metadata: { name: 'towline-tenants', namespace }, rules },
      } as Parameters<typeof apply>[1][number],
    ]);
  }
});
