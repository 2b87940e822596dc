import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AnnouncementAccepted } from '../../../core/images.ts';
import { makeBaseImage, pushBaseImage } from '../../containers/base-image.ts';
import { eventually } from '../../e2e/product.ts';
import { type Mission, startMission, startOutside } from './mission.ts';
import { digestOf, ended, type Owner, type Source, shown, signUp, sourceOf, states } from './people.ts';
import { stackFiles } from './stack-files.ts';

describe('the five programs, BuildKit, a registry and Flux', () => {
  const resources = new AsyncDisposableStack();
  let mission: Mission;
  let alice: Owner;
  let shop: Source;
  /** Of each push, by function. */
  const digests: Record<string, string>[] = [];
  before(async () => {
    const outside = resources.use(await startOutside());
    mission = resources.use(await startMission(outside, ['alice/hello', 'alice/world', 'alice/cart']));
    alice = await signUp(mission, 'alice');
    shop = await sourceOf(mission, alice, 'shop');
    resources.use(shop.clone);
  });
  after(() => resources.disposeAsync());

  async function deploy(message: string, texts: Record<string, string>) {
    const { id, commit } = await shop.push(message, stackFiles(mission.outside.baseImage, texts));
    const push = await ended(alice, id);
    digests.push(
      Object.fromEntries(push.deploys.map((one) => [one.functionName ?? '', digestOf(one.image)])),
    );
    return { push, commit };
  }

  const clusterDigest = async (name: string) => digestOf(await mission.cluster.imageOf('alice', name));

  /** One request, at once: whoever was told "live" may ask. The tag of the image says which version answers. */
  async function isRouted(name: string, commit: string): Promise<void> {
    const { status, body } = await alice.call(name);
    assert.equal(status, 200, body);
    assert.ok(body.startsWith(`alice-${name} `) && body.includes(commit.slice(0, 7)), body);
  }

  const gone = (name: string) =>
    eventually(`${name} to be gone`, async () => {
      const isPruned = (await mission.cluster.imageOf('alice', name)) === undefined;
      return isPruned && (await alice.call(name)).status === 404;
    });

  it('make a push live: image, signed commit, object, catalog, route, record', async () => {
    const { push, commit } = await deploy('Begin', { hello: 'one', world: 'one' });
    assert.deepEqual(states(push), { hello: 'live', world: 'live' }, JSON.stringify(push));
    for (const name of ['hello', 'world']) {
      await isRouted(name, commit);
      assert.equal(await clusterDigest(name), digests[0]?.[name]);
      assert.match(digests[0]?.[name] ?? '', /^sha256:[0-9a-f]{64}$/);
      await shown(alice, name, { status: 'Ready', sourceCommit: commit });
    }
    const { gitOps } = mission.outside;
    await gitOps.git('pull', '-q', 'origin', 'main');
    const log = await gitOps.git('log', '-1', '--format=%an%n%cn%n%B', '--', 'tenants/alice/hello.yaml');
    assert.match(log, /^Ada Lovelace\nTowline\ndeploy\(alice\/hello\): #1 [0-9a-f]{7} Begin\n/);
    assert.ok(
      log.includes(`Towline-Source-Commit: ${commit}`) && log.includes(digests[0]?.['hello'] ?? '?'),
      log,
    );
    assert.match(await gitOps.git('cat-file', 'commit', 'HEAD'), /^gpgsig -----BEGIN SSH SIGNATURE-----$/m);
  });

  it('deploy only what a later push changed', async () => {
    const { push, commit } = await deploy('Two', { hello: 'two', world: 'one' });
    assert.equal(states(push)['hello'], 'live', JSON.stringify(push));
    await isRouted('hello', commit);
    assert.notEqual(await clusterDigest('hello'), digests[0]?.['hello']);
    assert.equal(await clusterDigest('world'), digests[0]?.['world']);
  });

  it("apply a person's plain git revert, and say who did it", async () => {
    const { gitOps } = mission.outside;
    await gitOps.git('pull', '-q', 'origin', 'main');
    const head = await gitOps.git('log', '-1', '--format=%H', '--', 'tenants/alice/hello.yaml');
    await gitOps.git('revert', '--no-edit', head);
    await gitOps.git('push', '-q', 'origin', 'HEAD:main');
    await eventually('the old digest', async () => (await clusterDigest('hello')) === digests[0]?.['hello']);
    await eventually('the route to show it', async () => {
      const { summary, entry } = await alice.detail('hello');
      return summary.status === 'Ready' && digestOf(entry?.image) === digests[0]?.['hello'];
    });
    const [latest] = await alice.api<{ actor: string }[]>(
      'GET',
      '/api/v1/owners/alice/functions/hello/history',
    );
    assert.match(JSON.stringify(latest), /Olga Operator/);
  });

  it('prune a function that is gone from stack.yml', async () => {
    const { push } = await deploy('Without world', { hello: 'three' });
    assert.equal(states(push)['hello'], 'live', JSON.stringify(push));
    await gone('world');
  });

  it('deliver what another CI has built: a one-line FROM', async () => {
    const { ciRegistry, baseImage } = mission.outside;
    const released = await pushBaseImage(ciRegistry, await makeBaseImage('shell'), { name: 'team/shop:1' });
    const files = stackFiles(baseImage, { hello: 'three', cart: '' });
    files['cart/Dockerfile'] = `FROM ${ciRegistry.host}/team/shop:1\n`;
    const { id } = await shop.push('Let CI build it', files);
    const push = await ended(alice, id);
    assert.equal(states(push)['cart'], 'live', JSON.stringify(push));
    assert.equal(await clusterDigest('cart'), released.digest);
  });

  it('deliver what another CI announces', async () => {
    const { ciRegistry } = mission.outside;
    const released = await pushBaseImage(ciRegistry, await makeBaseImage('node'), { name: 'team/shop:2' });
    const accepted = await alice.api<AnnouncementAccepted>('POST', '/v1/images', {
      ...{
        owner: 'alice',
        function: 'cart',
        repository: 'shop',
        commit: 'c'.repeat(40),
        subject: 'Release 2',
        ref: 'refs/heads/main',
      },
      image: `${ciRegistry.host}/team/shop@${released.digest}`,
    });
    const push = await ended(alice, accepted.id);
    assert.equal(states(push)['cart'], 'live', JSON.stringify(push));
    assert.equal(await clusterDigest('cart'), released.digest);
  });

  it('prune all of a repository that is gone', async () => {
    await ended(alice, await shop.deleted());
    for (const name of ['hello', 'cart']) await gone(name);
  });
});
