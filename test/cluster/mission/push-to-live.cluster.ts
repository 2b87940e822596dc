import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Mission, startMission, startOutside } from './mission.ts';
import { digestOf, ended, type Owner, type Source, signUp, sourceOf, states } from './people.ts';
import { stackFiles } from './stack-files.ts';

describe('the five programs, BuildKit, a registry and Flux', () => {
  const resources = new AsyncDisposableStack();
  let mission: Mission;
  let alice: Owner;
  let shop: Source;
  before(async () => {
    const outside = resources.use(await startOutside());
    mission = resources.use(await startMission(outside, ['alice/hello', 'alice/world', 'bob/hello']));
    alice = await signUp(mission, 'alice');
    shop = await sourceOf(mission, alice, 'shop');
  });
  after(() => resources.disposeAsync());

  it('make a push live', async () => {
    const { baseImage } = mission.outside;
    const { id, commit } = await shop.push('Begin', stackFiles(baseImage, { hello: 'one', world: 'one' }));
    const push = await ended(alice, id);
    assert.deepEqual(states(push), { hello: 'live', world: 'live' }, JSON.stringify(push));
    for (const { functionName, image } of push.deploys) {
      assert.equal(await mission.cluster.imageOf('alice', functionName ?? ''), image);
      const answer = await alice.call(functionName ?? '');
      assert.equal(answer.status, 200, answer.body);
      assert.ok(answer.body.includes(`alice-${functionName} `), answer.body);
      assert.ok(answer.body.includes(commit.slice(0, 7)), answer.body);
      assert.match(digestOf(image), /^sha256:[0-9a-f]{64}$/);
    }
  });
});
