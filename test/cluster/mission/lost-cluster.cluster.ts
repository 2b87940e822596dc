import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../e2e/product.ts';
import { type Mission, type Outside, startMission, startOutside } from './mission.ts';
import { ask, ended, type Owner, type Source, shown, signUp, sourceOf, states } from './people.ts';
import { stackFiles } from './stack-files.ts';

const functions = ['alice/hello', 'alice/world', 'bob/hello'];

describe('a cluster that is lost with everything in it', () => {
  const resources = new AsyncDisposableStack();
  let outside: Outside;
  let mission: Mission;
  let alice: Owner;
  let shop: Source;
  before(async () => {
    outside = resources.use(await startOutside());
    mission = await startMission(outside, functions);
    resources.defer(() => mission[Symbol.asyncDispose]());
  });
  after(() => resources.disposeAsync());

  async function images(): Promise<Record<string, string | undefined>> {
    const found: Record<string, string | undefined> = {};
    for (const one of functions) {
      const [owner = '', name = ''] = one.split('/');
      found[one] = await mission.cluster.imageOf(owner, name);
    }
    return found;
  }

  async function deploy(owner: Owner, source: Source, texts: Record<string, string>): Promise<void> {
    const { id } = await source.push('Change it', stackFiles(outside.baseImage, texts));
    const push = await ended(owner, id);
    for (const [name, state] of Object.entries(states(push)))
      assert.equal(state, 'live', `${name}: ${JSON.stringify(push)}`);
  }

  it('is there again from the repository alone, with the same digests', async () => {
    alice = await signUp(mission, 'alice', ['--id', '17']);
    const bob = await signUp(mission, 'bob', ['--id', '18']);
    shop = await sourceOf(mission, alice, 'shop');
    await deploy(alice, shop, { hello: 'one', world: 'one' });
    const other = await sourceOf(mission, bob, 'shop');
    for (const source of [shop, other]) resources.use(source.clone);
    await deploy(bob, other, { hello: 'two' });
    const had = await images();
    assert.ok(Object.values(had).every((image) => image !== undefined));
    await mission[Symbol.asyncDispose]();
    // Another API server, another Flux, empty volumes, new keys: only what is outside is as it was.
    mission = await startMission(outside, functions);
    await eventually(
      'every function',
      async () => JSON.stringify(await images()) === JSON.stringify(had),
      120_000,
    );
    for (const one of functions) {
      const [owner = '', name = ''] = one.split('/');
      const { edge } = outside;
      await eventually(`${one} to answer`, async () => {
        const answer = await ask(mission, `/${name}`, { host: `${owner}.${edge.domain}:${edge.port}` });
        return answer.status === 200 && answer.body.startsWith(`${owner}-${name} `);
      });
    }
  });

  it('shows its history to owners that are made again with their ids, and takes their pushes', async () => {
    alice = await signUp(mission, 'alice', ['--id', '17']);
    const history = await alice.api<{ number: number }[]>(
      'GET',
      '/api/v1/owners/alice/functions/hello/history',
    );
    assert.deepEqual(
      history.map(({ number }) => number),
      [1],
    );
    shop.moveTo(mission);
    await deploy(alice, shop, { hello: 'two', world: 'one' });
    await shown(alice, 'hello', { number: 2 });
  });
});
