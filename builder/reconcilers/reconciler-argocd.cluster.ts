import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClusterError } from '../../runtime/kubernetes/cluster-api.ts';
import { until } from '../../test/cluster/kubernetes/apply.ts';
import {
  type ArgoInstallation,
  startArgoInstallation,
} from '../../test/cluster/kubernetes/argo-installation.ts';
import { describeReconciler } from '../../test/contracts/reconciler.contract.ts';
import { type FollowedArgo, followArgo } from './argo-fixture.ts';
import { functionText } from './flux-fixture.ts';

/** One for each test of the contract, which all begin with nothing. */
const alices = Array.from({ length: 8 }, (_, index) => `alice-${index}`);
/** Nor have these to wait for each other: most of the time Argo CD waits before it looks, or tries, again. */
const others = ['bob', 'beth', 'carol', 'carla', 'dave'];

let installation: ArgoInstallation;
before(async () => {
  installation = await startArgoInstallation([...alices, ...others]);
  await Promise.all([...alices, ...others].map((owner) => installation.untilSynced(owner)));
});
after(() => installation?.[Symbol.asyncDispose]());

let subjects = 0;
async function live(one: FollowedArgo, owner: string, functionName: string, answer: string) {
  assert.deepEqual(await one.follow(await one.commit(owner, functionName, { answer })), { type: 'live' });
}

describe('an installation with Argo CD', { concurrency: true }, () => {
  describe('in order', { concurrency: 1 }, () => {
    describeReconciler('Argo CD', () => {
      const alice = alices[subjects++ % alices.length] ?? '';
      return followArgo(installation, (owner) => (owner === 'alice' ? alice : owner));
    });
  });

  describe('what Argo CD does not apply', () => {
    it('is told in the words of the cluster, holds up nobody, and is over with the commit that mends it', async () => {
      await using one = await followArgo(installation);
      await live(one, 'carol', 'hello', 'one');
      const invalid = functionText('carol', 'other', 'x').replace(/^ {2}image: .*$/m, '  image: 7');
      const commit = await one.edit({ 'tenants/carol/other.yaml': invalid });
      const target = { owner: 'carol', functionName: 'other', commit, digest: `sha256:${'1'.repeat(64)}` };
      const own = await one.follow(target);
      assert.ok(own.type === 'failed' && own.stage === 'apply', JSON.stringify(own));
      assert.equal(own.cause.code, 'manifest_refused');
      assert.match(own.cause.message, /^the cluster refuses the manifest: .*spec\.image/);
      // Neither the tenant's others nor other tenants are held up.
      await live(one, 'carol', 'hello', 'two');
      await live(one, 'beth', 'hello', 'fine');
      await one.edit({ 'tenants/carol/other.yaml': null });
      await installation.untilSynced('carol');
    });

    it('is named by its file, if it cannot be read', async () => {
      await using one = await followArgo(installation);
      await one.commit('carla', 'other', { unreadable: true });
      const outcome = await one.follow(await one.commit('carla', 'hello', { answer: 'four' }));
      assert.ok(outcome.type === 'failed' && outcome.stage === 'apply', JSON.stringify(outcome));
      assert.match(outcome.cause.message, /^held up by other\.yaml: Argo CD cannot read the manifest/);
      assert.doesNotMatch(outcome.cause.message, /\/tmp\//);
      await one.edit({ 'tenants/carla/other.yaml': null });
      await live(one, 'carla', 'hello', 'five');
    });
  });

  describe("a tenant's last function", () => {
    it('is pruned, and what somebody deletes or changes comes back', async () => {
      await using one = await followArgo(installation);
      await live(one, 'dave', 'hello', 'one');
      const path = '/apis/openfaas.com/v1/namespaces/openfaas-fn/functions/dave-hello';
      await installation.api.request(path, { method: 'DELETE' });
      await until(async () => (await one.served('dave', 'hello')) === 'one', 'Argo CD to put it back');
      assert.deepEqual(await one.follow(await one.commit('dave', 'hello', { removed: true })), {
        type: 'removed',
      });
      await assert.rejects(installation.api.request(path), (error: ClusterError) => error.status === 404);
    });
  });

  describe('a new tenant', () => {
    it('is set up by its first commit, and followed, without waiting for Argo CD to look by itself', async () => {
      await using one = await followArgo(installation);
      const text = await installation.repository.git('show', 'HEAD:argocd/tenants/bob.yaml');
      const sentinel = await installation.repository.git('show', 'HEAD:tenants/bob/tenant.yaml');
      await one.edit({
        'argocd/tenants/erin.yaml': `${text.replaceAll('bob', 'erin')}\n`,
        'tenants/erin/tenant.yaml': `${sentinel.replaceAll('bob', 'erin')}\n`,
      });
      await live(one, 'erin', 'hello', 'one');
    });

    it('waits, and says for what, while nobody has set it up', async () => {
      await using one = await followArgo(installation);
      const target = await one.commit('frank', 'hello', { answer: 'one' });
      const told = new Promise<string>((resolve) => {
        const stop = new AbortController();
        one.reconciler
          .follow(
            target,
            () => undefined,
            stop.signal,
            (why) => {
              if (why === null) return;
              resolve(why);
              stop.abort(new Error('enough'));
            },
          )
          .catch(() => undefined);
      });
      assert.match(await told, /no Application argocd\/tenant-frank: frank is not set up there/);
    });
  });
});
