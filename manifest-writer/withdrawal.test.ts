import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { alice, deployIntent, gitopsFixture } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const asked = { ...hello, reason: 'wait', actor: alice };
const withdrawn = { type: 'refused', code: 'build_cancelled', message: 'stopped by Bob' };
const limits = { limits: { lookForResumedMs: 50 } };

async function heldWriter(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const ended: string[] = [];
  const deps = { onHoldEnded: ({ buildId }: { buildId: string }) => void ended.push(buildId) };
  const writer = await gitops.writer(limits, Date.now, deps);
  await writer.deploy(deployIntent({ source: '1' }));
  await writer.hold(asked);
  const waits = deployIntent({ source: '2' });
  assert.equal((await writer.deploy(waits)).type, 'held');
  return { gitops, writer, ended, waits, query: { ...hello, buildId: waits.buildId } };
}

test('a deploy that waits is withdrawn: resuming brings nothing, also after a restart', async (t) => {
  const { gitops, writer, ended, waits, query } = await heldWriter(t);
  assert.deepEqual(await writer.withdraw({ ...query, reason: 'stopped by Bob' }), withdrawn);
  assert.deepEqual(ended, [waits.buildId]);
  assert.deepEqual(await writer.withdraw({ ...query, reason: 'stopped by Eve' }), withdrawn);
  await writer[Symbol.asyncDispose]();
  const again = await gitops.writer(limits);
  assert.deepEqual(await again.afterHold(query), withdrawn);
  assert.equal((await again.resume(asked)).type, 'pushed');
  // What comes later in the same file comes after whatever was released.
  await again.deploy(deployIntent({ source: '3' }));
  const kinds = (await again.history(hello)).map(({ kind, sourceCommit }) => `${kind} ${sourceCommit?.[0]}`);
  assert.deepEqual(kinds, ['deploy 3', 'resume 1', 'hold 1', 'deploy 1']);
});

test('what took its place goes on waiting', async (t) => {
  const { writer, query } = await heldWriter(t);
  const newer = deployIntent({ source: '3' });
  await writer.deploy(newer);
  const outcome = await writer.withdraw({ ...query, reason: 'stopped by Bob' });
  assert.equal(outcome.type, 'skipped');
  assert.equal((await writer.afterHold({ ...hello, buildId: newer.buildId })).type, 'held');
});

test('a deploy that is withdrawn while it is released goes live or is withdrawn, and is told so', async (t) => {
  const { writer, query } = await heldWriter(t);
  const resumed = writer.resume(asked);
  const [outcome] = await Promise.all([writer.withdraw({ ...query, reason: 'stopped by Bob' }), resumed]);
  const later = await writer.afterHold(query);
  await writer.deploy(deployIntent({ source: '3' }));
  const isLive = (await writer.history(hello)).some(({ sourceCommit }) => sourceCommit?.startsWith('2'));
  assert.equal(outcome.type, isLive ? 'pushed' : 'refused');
  assert.deepEqual(later.type, outcome.type);
});

test('what never waited, or has no name that a function can have, is not there to be withdrawn', async (t) => {
  const { writer } = await heldWriter(t);
  const reason = 'stopped by Bob';
  assert.equal((await writer.withdraw({ ...hello, buildId: 'unknown', reason })).type, 'skipped');
  const odd = { ...hello, functionName: '../x', buildId: 'unknown', reason };
  assert.equal((await writer.withdraw(odd)).type, 'skipped');
});
