import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployIntent, gitopsFixture } from './gitops-fixture.ts';
import { targets } from './render/target.ts';

for (const target of targets) {
  test(`deploys, changes, reverts and claims work alike on ${target}`, async (t) => {
    const { writer: start } = await gitopsFixture(t);
    const writer = await start({ target });
    const first = await writer.deploy(deployIntent({ source: '1' }));
    assert.ok(first.type === 'pushed');
    assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'unchanged');
    const second = await writer.deploy(deployIntent({ source: '2', environment: { GREETING: 'hi' } }));
    assert.ok(second.type === 'pushed');
    const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
    const { summary } = await writer.diff({ ...hello, from: null, to: second.commit });
    assert.deepEqual(summary, [
      'image 1111111 → 2222222',
      'source 1111111 → 2222222',
      'env GREETING changed',
    ]);
    const actor = deployIntent().actor;
    const reverted = await writer.revert({ ...hello, toCommit: first.commit, reason: 'worse', actor });
    assert.ok(reverted.type === 'pushed');
    const [newest] = await writer.history(hello);
    assert.equal(newest?.kind, 'revert');
    assert.equal(newest?.restores, 1);
    assert.match(newest?.image ?? '', /@sha256:1+$/);
    const again = await writer.deploy(deployIntent({ source: '2', trigger: 'rebuild' }));
    assert.equal(again.type, 'skipped');
    const [current] = await writer.current('alice');
    assert.equal(current?.repo, 'greetings');
    const other = await writer.deploy(deployIntent({ repo: 'other' }));
    assert.ok(other.type === 'refused' && other.code === 'name_taken');
  });
}

test('the policy’s quota, refusals and clamps reach the one who deploys', async (t) => {
  const { writer: start, remoteHead } = await gitopsFixture(t);
  const writer = await start({
    policy: {
      maxFunctions: 2,
      limits: { memory: { max: '64Mi' } },
      outOfBounds: 'clamp',
      tenants: [{ ownerId: 'id-of-bob', outOfBounds: 'refuse' }],
    },
  });
  const clamped = await writer.deploy(deployIntent());
  assert.ok(clamped.type === 'pushed');
  assert.deepEqual(clamped.written[0]?.warnings, [
    'the memory limit "128Mi" is set to what the policy allows: at most "64Mi"',
  ]);
  const text = await writer.at({ owner: 'alice', functionName: 'hello', commit: clamped.commit });
  assert.match(text, /limits:\n {4}memory: 64Mi\n/);
  const head = await remoteHead();
  const refused = await writer.deploy(deployIntent({ owner: 'bob' }));
  assert.ok(refused.type === 'refused' && refused.code === 'manifest_refused');
  assert.match(refused.message, /memory limit "128Mi" is outside/);
  assert.equal(await remoteHead(), head);
  const both = await Promise.all([
    writer.deploy(deployIntent({ functionName: 'two' })),
    writer.deploy(deployIntent({ functionName: 'three' })),
  ]);
  assert.deepEqual(both.map(({ type }) => type).sort(), ['pushed', 'refused']);
  const over = both.find((one) => one.type === 'refused');
  assert.match(over?.type === 'refused' ? over.message : '', /"alice" has 2 functions; the policy allows 2/);
  assert.equal(
    (await writer.deploy(deployIntent({ source: '5' }))).type,
    'pushed',
    'those that are there go on',
  );
});

test('what the target cannot do is refused before any commit', async (t) => {
  const { writer: start, remoteHead } = await gitopsFixture(t);
  const writer = await start({ target: 'kubernetes' });
  const head = await remoteHead();
  const problem = await writer.deploy(deployIntent({ labels: { 'com.openfaas.scale.max': '5' } }));
  assert.ok(problem.type === 'refused' && problem.code === 'manifest_refused');
  assert.equal(await remoteHead(), head);
});
