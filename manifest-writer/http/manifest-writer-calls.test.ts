import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import type { PlatformEvent } from '../../core/events.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { type KillableServer, listen, silent, tokens, until } from '../../runtime/services/call-fixture.ts';
import { createHttpManifestWriter } from '../../runtime/services/manifest-writer-http.ts';
import { describeManifestWriter } from '../../test/contracts/manifest-writer.contract.ts';
import type { DurableManifestWriter } from '../create-manifest-writer.ts';
import { alice, deployIntent, gitopsFixture } from '../gitops-fixture.ts';
import { createManifestWriterCalls } from './manifest-writer-calls.ts';

const environments = [{ name: 'staging' }];
const limits = { retryFirstMs: 20, retryMaxMs: 50, lookForResumedMs: 50 };
const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const wish = { ...hello, reason: '', actor: alice };

async function setUp(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const events = createEventBus();
  const open = () =>
    gitops.writer({ environments, limits }, Date.now, {
      onHoldEnded: ({ buildId }) => events.publish({ type: 'hold.ended', ...hello, buildId }),
    });
  return {
    gitops,
    events,
    open,
    writer: await open(),
    takeAway: () => rename(gitops.remote, `${gitops.remote}.away`),
    bringBack: () => rename(`${gitops.remote}.away`, gitops.remote),
  };
}

function listenerOf(writer: DurableManifestWriter, events = createEventBus()) {
  return createManifestWriterCalls(writer, { tokens, logger: silent, events, heartbeatMs: 50 });
}

function clientOf(t: TestContext, { url }: KillableServer, events = createEventBus()) {
  const client = createHttpManifestWriter({ url, tokens, logger: silent, events });
  const heard: PlatformEvent[] = [];
  events.subscribe((event) => heard.push(event));
  t.after(() => client[Symbol.asyncDispose]());
  return { client, heard };
}

async function overHttp(t: TestContext) {
  const subject = await setUp(t);
  const server = await listen(listenerOf(subject.writer, subject.events));
  const { client, heard } = clientOf(t, server);
  t.after(() => server[Symbol.asyncDispose]());
  await until(() => heard.length > 0);
  return { ...subject, server, client, heard };
}

describeManifestWriter('the writer in process', async (t) => ({ ...(await setUp(t)), deployIntent }));
describeManifestWriter('the writer over HTTP', async (t) => {
  const { client, takeAway, bringBack } = await overHttp(t);
  return { writer: client, takeAway, bringBack, deployIntent };
});

describe('the writer over HTTP', () => {
  it('writes a deploy once though the writer died while it was asked', async (t) => {
    const { server, client, gitops, writer, open, takeAway, bringBack } = await overHttp(t);
    await client.deploy(deployIntent({ source: '1' }));
    await takeAway();
    const isTold = Promise.withResolvers<void>();
    const intent = deployIntent({ source: '2' });
    const asked = client.deploy(intent, undefined, { onWaiting: () => isTold.resolve() });
    await isTold.promise;

    await server.kill();
    await writer[Symbol.asyncDispose]();
    await bringBack();
    const again = await open();
    await server.restart(listenerOf(again));

    assert.equal((await asked).type, 'pushed');
    assert.equal((await again.history(hello)).length, 2);
    assert.equal((await gitops.git(gitops.remote, 'rev-list', '--count', 'main')).trim(), '3');
  });

  it('reverts once though the answer was lost', async (t) => {
    const { server, client, writer, events } = await overHttp(t);
    const first = await client.deploy(deployIntent({ source: '1' }));
    await client.deploy(deployIntent({ source: '2' }));
    const toCommit = 'commit' in first ? first.commit : '';
    const answered = Promise.withResolvers<void>();
    const lossy: DurableManifestWriter = {
      ...writer,
      async revert(...asked) {
        const outcome = await writer.revert(...asked);
        answered.resolve();
        await server.restart(listenerOf(writer, events));
        return outcome;
      },
    };
    await server.restart(listenerOf(lossy, events));

    const outcome = await client.revert({ ...wish, toCommit });

    await answered.promise;
    assert.equal(outcome.type, 'pushed');
    assert.equal((await client.history(hello)).length, 3);
  });

  it('tells everybody who listens what changed: history, removals, holds', async (t) => {
    const { client, heard, server } = await overHttp(t);
    const other = clientOf(t, server);
    await until(() => other.heard.length > 0);
    const first = await client.deploy(deployIntent({ source: '1' }));
    await client.hold(wish);
    const held = deployIntent({ source: '2' });
    await client.deploy(held);
    await client.resume(wish);
    await until(() => other.heard.some(({ type }) => type === 'hold.ended'));

    const told = other.heard.map((event) =>
      event.type === 'history.changed'
        ? `${event.type} ${event.functionName} ${event.commit.length}`
        : event.type,
    );
    assert.deepEqual(
      told.filter((each) => each !== 'hold.ended'),
      ['events.missed', 'history.changed hello 40', 'history.changed hello 40'],
    );
    assert.deepEqual(heard, other.heard);
    assert.equal(first.type, 'pushed');
    const ended = heard.find((event) => event.type === 'hold.ended');
    assert.deepEqual(ended, {
      type: 'hold.ended',
      owner: 'alice',
      ownerId: 'id-of-alice',
      functionName: 'hello',
      buildId: held.buildId,
    });
  });

  it('says that events were missed only if they were', async (t) => {
    const { server, writer, events, heard, client } = await overHttp(t);
    const listener = listenerOf(writer, events);
    await server.restart(listener);
    await until(() => heard.length === 2 && client.isConnected());

    await server.kill();
    await until(() => !client.isConnected());
    events.publish({ type: 'removals.changed', owner: 'alice', ownerId: 'id-of-alice' });
    await server.restart();
    await until(() => heard.length === 3);
    assert.deepEqual(
      heard.map(({ type }) => type),
      ['events.missed', 'events.missed', 'removals.changed'],
    );

    await server.restart(listenerOf(writer, events));
    await until(() => heard.length === 4);
    assert.equal(heard[3]?.type, 'events.missed');
  });

  it('goes on without waiting for ever when the writer is away', async (t) => {
    const { server } = await overHttp(t);
    await server.kill();
    const retry = { forMs: 0, firstMs: 1, maxMs: 1 };
    const client = createHttpManifestWriter({ url: server.url, tokens, logger: silent, retry });
    t.after(() => client[Symbol.asyncDispose]());

    await assert.rejects(client.deploy(deployIntent({ source: '1' })), { code: 'unavailable' });
    await assert.rejects(client.history(hello), { code: 'unavailable' });
  });
});
