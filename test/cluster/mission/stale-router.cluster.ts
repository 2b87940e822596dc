import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PushRecord } from '../../../core/deploy.ts';
import { apiPaths } from '../../../core/paths.ts';
import { eventually } from '../../e2e/product.ts';
import { type Mission, startMission, startOutside } from './mission.ts';
import { ended, type Owner, type Source, signUp, sourceOf, states } from './people.ts';
import { stackFiles } from './stack-files.ts';

describe('a router that no longer sees the cluster', () => {
  const resources = new AsyncDisposableStack();
  let mission: Mission;
  let alice: Owner;
  let shop: Source;
  before(async () => {
    const outside = resources.use(await startOutside());
    mission = resources.use(await startMission(outside, ['alice/hello', 'alice/world']));
    alice = await signUp(mission, 'alice');
    shop = await sourceOf(mission, alice, 'shop');
    resources.use(shop.clone);
  });
  after(() => resources.disposeAsync());

  const push = (message: string, texts: Record<string, string>) =>
    shop.push(message, stackFiles(mission.outside.baseImage, texts));

  async function readiness(): Promise<{ status: number; body: Record<string, string> }> {
    const answer = await fetch(`http://127.0.0.1:${mission.outside.ports.router.internalPort}/readyz`);
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  }

  it('is waited for: nothing is live that it does not route, and the deploy says why', async () => {
    const first = await push('Begin', { hello: 'one' });
    assert.deepEqual(states(await ended(alice, first.id)), { hello: 'live' });
    assert.equal((await alice.call('hello')).status, 200);

    mission.routerWay.cut();
    const second = await push('Add world', { hello: 'one', world: 'one' });
    const world = async () => {
      const { deploys } = await alice.api<PushRecord>('GET', apiPaths.push(second.id));
      return deploys.find(({ functionName }) => functionName === 'world');
    };
    const waiting = await eventually(
      'the deploy to say what it waits for',
      async () => {
        const one = await world();
        assert.notEqual(one?.state, 'live');
        return one?.waiting === undefined ? undefined : one;
      },
      120_000,
    );
    assert.equal(waiting.state, 'applied');
    assert.match(waiting.waiting ?? '', /^the router 127\.0\.0\.1:\d+ has not seen the cluster for \d+ s: /);
    // Everybody but the router knows it.
    assert.equal((await alice.detail('world')).summary.status, 'Ready');
    // Told from what is not there, because the builder says that it is on its way.
    assert.equal((await alice.call('world')).status, 503);
    assert.equal((await world())?.state, 'applied');
    // What it knew last is served.
    assert.equal((await alice.call('hello')).status, 200);
    const stale = await readiness();
    assert.equal(stale.status, 200);
    assert.match(stale.body['stale default'] ?? '', /^since 20\d\d-.*: /);

    mission.routerWay.mend();
    assert.equal(states(await ended(alice, second.id))['world'], 'live');
    const answer = await alice.call('world');
    assert.equal(answer.status, 200);
    assert.match(answer.body, /^alice-world /);
    // The namespaces of tenants and what is in them are followed each by itself: one may be back before the other.
    await eventually(
      'the router to see all again',
      async () => (await readiness()).body['stale default'] === undefined,
    );
    assert.deepEqual((await readiness()).body, { status: 'ready' });
  });
});
