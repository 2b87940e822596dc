import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteOutcome } from '../core/manifest-writer.ts';
import { deployIntent, gitopsFixture } from './gitops-fixture.ts';

const mallory = { name: 'Mallory', email: 'mallory@example.org', login: 'alice' };
const environments = [{ name: 'staging', branches: ['staging'] }];

/** Alice's account is gone, and somebody else has its slug. */
const reused = { owner: 'alice', ownerId: 'id-of-mallory', reason: 'mine now', actor: mallory };
const hello = { ...reused, functionName: 'hello' };

function commitOf(outcome: WriteOutcome): string {
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  return 'commit' in outcome ? outcome.commit : '';
}

test('whoever has a reused slug changes nothing of the account that had it before', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  const first = commitOf(await writer.deploy(deployIntent({ source: '1' })));
  const newest = commitOf(await writer.deploy(deployIntent({ source: '2' })));
  const files = { functionNames: ['hello'], repo: 'greetings', sourceCommit: null };
  const outcomes = [
    await writer.hold(hello),
    await writer.resume(hello),
    await writer.revert({ ...hello, toCommit: first }),
    await writer.revert({ ...hello, toCommit: newest, hold: true }),
    await writer.undo({ ...hello, commit: newest }),
    await writer.promote({ ...hello, from: 'default', to: 'staging' }),
    await writer.remove({ ...reused, ...files }),
    await writer.remove({ ...reused, ...files, scope: 'repository' }),
    await writer.remove({ ...reused, ...files, scope: 'tenant', confirmedBy: mallory }),
  ];
  for (const outcome of outcomes) {
    assert.equal(outcome.type === 'refused' && outcome.code, 'name_taken', JSON.stringify(outcome));
    assert.match(outcome.type === 'refused' ? outcome.message : '', /belongs to another account/);
  }
  assert.equal(await gitops.remoteHead(), newest);
});

test('a promotion out of one’s own environment does not enter the folder of another account', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  commitOf(await writer.deploy(deployIntent()));
  const own = deployIntent({ ownerId: 'id-of-mallory' });
  commitOf(await writer.deploy({ ...own, environment: 'staging' }));
  const outcome = await writer.promote({ ...hello, from: 'staging', to: 'default' });
  assert.equal(outcome.type === 'refused' && outcome.code, 'name_taken');
});

test('removals of the account before are neither shown nor answered', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const functionNames = [...Array(27).keys()].map((index) => `f-${index}`);
  await Promise.all(functionNames.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const asked = { ...reused, ownerId: 'id-of-alice', functionNames, repo: 'greetings', sourceCommit: null };
  const outcome = await writer.remove(asked);
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  assert.deepEqual(await writer.removals('id-of-mallory'), []);
  const answer = { ownerId: 'id-of-mallory', id, actor: mallory };
  const confirmed = await writer.confirmRemoval(answer);
  assert.equal(confirmed.type === 'refused' && confirmed.code, 'not_found');
  assert.equal(await writer.rejectRemoval(answer), false);
  assert.deepEqual(
    (await writer.removals('id-of-alice')).map((one) => [one.id, one.state]),
    [[id, 'waiting']],
  );
  assert.equal((await writer.current('alice')).length, 27);
});
