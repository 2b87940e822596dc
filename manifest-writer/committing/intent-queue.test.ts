import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import type { WriteDelay, WriteOutcome } from '../../core/manifest-writer.ts';
import { createSqliteIntentLog } from '../intents/intent-log-sqlite.ts';
import { createIntentQueue, type IntentQueueOptions } from './intent-queue.ts';
import { defaultPushesPerMinute } from './pace.ts';
import type { QueuedIntent } from './queued-intent.ts';

const away = () => new TowlineError('remote_unavailable', 'the GitOps repository cannot be reached');
const pushed: WriteOutcome = { type: 'pushed', commit: 'a'.repeat(40), written: [] };
const intent = (id: string) => ({ id, kind: 'deploy', body: {} });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A queue over a real log and a clock that jumps over every wait; `commit` notes its batches. */
async function fixture(t: TestContext, given: Partial<IntentQueueOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'towline-queue-'));
  const log = createSqliteIntentLog({ path: join(folder, 'intents.db'), maxFinished: 100 });
  const batches: { at: number; ids: string[] }[] = [];
  const delays: number[] = [];
  const delayed: WriteDelay[] = [];
  const clock = { now: 1_000_000, whileWaiting: async (_ms: number) => {} };
  let fails: ((batch: readonly QueuedIntent[]) => unknown) | undefined;
  const open = (more: Partial<IntentQueueOptions> = {}) =>
    createIntentQueue({
      log,
      plan: () => ({ paths: [], decide: async () => ({ type: 'outcome', outcome: pushed }) }),
      async commit(batch, tools) {
        batches.push({ at: clock.now, ids: batch.map(({ kept }) => kept.id) });
        await turn();
        const failure = fails?.(batch);
        if (failure) throw failure;
        tools.onPush();
        tools.finish(batch.map((one) => ({ one, outcome: pushed })));
        return [];
      },
      maxQueued: 100,
      maxBatch: 50,
      pushesPerMinute: undefined,
      retry: { firstMs: 100, maxMs: 10_000 },
      timing: {
        now: () => clock.now,
        async delay(ms, signal) {
          signal.throwIfAborted();
          delays.push(ms);
          await clock.whileWaiting(ms);
          await turn();
          clock.now += ms;
          signal.throwIfAborted();
        },
      },
      random: () => 0.5,
      onDelay: (delay) => delayed.push(delay),
      onIdle() {},
      ...given,
      ...more,
    });
  const queue = open();
  t.after(async () => {
    await queue[Symbol.asyncDispose]();
    log[Symbol.dispose]();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    queue,
    open,
    log,
    batches,
    delays,
    delayed,
    clock,
    failWith(why: typeof fails) {
      fails = why;
    },
  };
}

test('a single intent goes at once, without any wait', async (t) => {
  const { queue, batches, delays } = await fixture(t);
  for (const id of ['a', 'b', 'c']) assert.deepEqual(await queue.submit(intent(id)).outcome, pushed);
  assert.deepEqual(
    batches.map(({ ids }) => ids),
    [['a'], ['b'], ['c']],
  );
  assert.deepEqual(delays, []);
});

test('under load a batch waits for company as long as more keep coming, and no longer', async (t) => {
  const { queue, batches, clock } = await fixture(t);
  await Promise.all(['a', 'b', 'c'].map((id) => queue.submit(intent(id)).outcome));
  const late = ['e', 'f'];
  const outcomes: Promise<unknown>[] = [];
  clock.whileWaiting = async () => {
    const id = late.shift();
    if (id) outcomes.push(queue.submit(intent(id)).outcome);
    await turn();
  };
  outcomes.push(queue.submit(intent('d')).outcome);
  await outcomes[0];
  await Promise.all(outcomes);
  assert.deepEqual(
    batches.map(({ ids }) => ids),
    [
      ['a', 'b', 'c'],
      ['d', 'e', 'f'],
    ],
  );
});

test('pushes are paced: the first goes at once, what comes before the next may go gathers', async (t) => {
  const { queue, batches, clock } = await fixture(t, { pushesPerMinute: 6 });
  const start = clock.now;
  await queue.submit(intent('a')).outcome;
  clock.now += 1_000;
  const more: Promise<unknown>[] = [];
  clock.whileWaiting = async (ms) => {
    if (ms < 1_000 || more.length > 3) return;
    more.push(queue.submit(intent('c')).outcome, queue.submit(intent('d')).outcome);
    await turn();
  };
  await queue.submit(intent('b')).outcome;
  await Promise.all(more);
  assert.deepEqual(batches.slice(0, 2), [
    { at: start, ids: ['a'] },
    { at: start + 10_000, ids: ['b', 'c', 'd'] },
  ]);
});

test('only github.com is paced by default', () => {
  for (const url of [
    'https://github.com/acme/gitops.git',
    'ssh://git@github.com/acme/gitops.git',
    'ssh://git@GitHub.com:22/acme/gitops.git',
    'git@github.com:acme/gitops.git',
  ]) {
    assert.equal(defaultPushesPerMinute(url), 6, url);
  }
  for (const url of [
    '/data/gitops.git',
    'https://git.example.org/github.com/x.git',
    'https://github.com.example.org/x.git',
    'git@example.org:github.com/x.git',
    'file:///github.com:/x',
  ]) {
    assert.equal(defaultPushesPerMinute(url), undefined, url);
  }
});

test('while the remote is away intents wait in order, visibly, with growing pauses, and drain in one batch', async (t) => {
  const { queue, batches, delays, delayed, failWith } = await fixture(t);
  let failures = 0;
  failWith(() => {
    failures += 1;
    return failures <= 5 ? away() : undefined;
  });
  const heard: (string | undefined)[] = [];
  const onWaiting = (delay: WriteDelay | undefined) => void heard.push(delay?.code);
  const outcomes = ['a', 'b', 'c'].map((id) => queue.submit(intent(id), undefined, { onWaiting }).outcome);
  assert.deepEqual(await Promise.all(outcomes), [pushed, pushed, pushed]);
  assert.deepEqual(
    delays.filter((ms) => ms > 50),
    [75, 150, 300, 600, 1_200],
  );
  assert.ok(delayed.every(({ since }) => since === delayed[0]?.since));
  assert.deepEqual(batches.at(-1)?.ids, ['a', 'b', 'c']);
  assert.deepEqual(
    heard.slice(0, 3),
    Array.from({ length: 3 }, () => 'remote_unavailable'),
  );
  assert.deepEqual(heard.slice(3), [undefined, undefined, undefined]);
});

test('who cannot wait is told so, and hears the outcome by asking again; the intent is written once', async (t) => {
  const { queue, batches, failWith, clock } = await fixture(t);
  const held = Promise.withResolvers<void>();
  failWith(() => away());
  clock.whileWaiting = () => held.promise;
  await assert.rejects(queue.submit(intent('a')).outcome, /cannot be reached/);
  assert.equal(queue.state().waiting?.code, 'remote_unavailable');
  assert.deepEqual(
    queue.state().oldest.map(({ id }) => id),
    ['a'],
  );
  failWith(undefined);
  const again = queue.submit(intent('a'));
  await again.accepted;
  held.resolve();
  assert.deepEqual(await again.outcome, pushed);
  assert.deepEqual(await queue.submit(intent('a')).outcome, pushed, 'as it was recorded');
  assert.equal(batches.filter(({ ids }) => ids.includes('a')).length, 2);
  assert.equal(queue.state().waiting, undefined);
});

test('an intent that nothing helps is given up alone, after some tries; the others of its batch are written', async (t) => {
  const { queue, failWith } = await fixture(t);
  failWith((batch) => (batch.some(({ kept }) => kept.id === 'bad') ? new Error('a bug') : undefined));
  const wait = { onWaiting() {} };
  const outcomes = await Promise.all(
    ['a', 'bad', 'c'].map((id) => queue.submit(intent(id), undefined, wait).outcome),
  );
  assert.deepEqual(
    outcomes.map(({ type }) => type),
    ['pushed', 'refused', 'pushed'],
  );
  const bad = outcomes[1];
  assert.equal(bad?.type === 'refused' && bad.code, 'internal');
  assert.doesNotMatch(JSON.stringify(bad), /a bug/, 'what went wrong inside is for the log');
});

test('an intent that cannot even be planned is refused, not thrown', async (t) => {
  const { queue, open, failWith } = await fixture(t);
  failWith(undefined);
  await queue[Symbol.asyncDispose]();
  const planning = open({
    plan() {
      throw new TowlineError('bad_request', 'no such kind');
    },
    async commit(batch, tools) {
      for (const one of batch) {
        const decision = await one.planned().decide(undefined as never);
        if (decision.type === 'outcome') tools.finish([{ one, outcome: decision.outcome }]);
      }
      return [];
    },
  });
  const outcome = await planning.submit(intent('a')).outcome;
  assert.deepEqual(outcome, { type: 'refused', code: 'bad_request', message: 'no such kind' });
  await planning[Symbol.asyncDispose]();
});

test('an intent is on disk before it is acknowledged, and the next process takes it up', async (t) => {
  const { queue, open, log, failWith, batches } = await fixture(t);
  failWith(() => away());
  const submission = queue.submit(intent('a'), undefined, { onWaiting() {} });
  assert.deepEqual(log.pending(), [], 'not acknowledged yet');
  await submission.accepted;
  assert.deepEqual(
    log.pending().map(({ id }) => id),
    ['a'],
  );
  await queue.submit(intent('b'), undefined, { onWaiting() {} }).accepted;
  await queue[Symbol.asyncDispose]();
  await assert.rejects(submission.outcome, /stopping/);
  await assert.rejects(queue.submit(intent('c')).accepted, /stopping/);
  failWith(undefined);
  const next = open();
  assert.deepEqual(await next.submit(intent('a')).outcome, pushed);
  assert.deepEqual(batches.at(-1)?.ids, ['a', 'b']);
  await next[Symbol.asyncDispose]();
});

test('an intent is taken back by its signal until its batch begins, but not from somebody else', async (t) => {
  const { queue, batches, log } = await fixture(t);
  const stop = new AbortController();
  const first = queue.submit(intent('a'));
  const mine = queue.submit(intent('b'), stop.signal);
  const shared = [queue.submit(intent('c'), stop.signal), queue.submit(intent('c'))] as const;
  queueMicrotask(() => stop.abort(new Error('superseded')));
  await assert.rejects(mine.outcome, /superseded/);
  await assert.rejects(shared[0].outcome, /superseded/);
  assert.deepEqual(await Promise.all([first.outcome, shared[1].outcome]), [pushed, pushed]);
  assert.deepEqual(
    batches.flatMap(({ ids }) => ids),
    ['a', 'c'],
  );
  assert.deepEqual(log.pending(), []);
});

test('no more intents are accepted than the queue holds', async (t) => {
  const { queue, failWith } = await fixture(t, { maxQueued: 3 });
  failWith(() => away());
  const kept = ['a', 'b', 'c'].map((id) => queue.submit(intent(id), undefined, { onWaiting() {} }));
  await Promise.all(kept.map(({ accepted }) => accepted));
  await assert.rejects(queue.submit(intent('d')).accepted, /too many deploys/);
});

test('an intent at fault that is taken back leaves nothing behind: the next ones share batches again', async (t) => {
  const { queue, batches, clock, log, failWith } = await fixture(t);
  const stop = new AbortController();
  failWith(() => new Error('a bug'));
  clock.whileWaiting = async () => stop.abort(new Error('superseded'));
  const bad = queue.submit(intent('bad'), stop.signal, { onWaiting() {} });
  await assert.rejects(bad.outcome, /superseded/);
  assert.deepEqual(log.pending(), []);
  failWith(undefined);
  await Promise.all(['a', 'b', 'c'].map((id) => queue.submit(intent(id)).outcome));
  assert.deepEqual(batches.at(-1)?.ids, ['a', 'b', 'c']);
});
