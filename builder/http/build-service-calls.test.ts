import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PlatformEvent } from '../../core/events.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createHttpBuildService } from '../../runtime/services/build-service-http.ts';
import { listen, silent, testToken, tokens, until } from '../../runtime/services/call-fixture.ts';
import { parseServiceTokens } from '../../runtime/services/service-tokens.ts';
import {
  type BuildServiceSubject,
  describeBuildService,
} from '../../test/contracts/build-service.contract.ts';
import { createPlatform, stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { createBuildServiceCalls } from './build-service-calls.ts';

async function inProcess() {
  const platform = await createPlatform();
  const repository = platform.repo('alice', 'shop');
  return {
    platform,
    builds: platform.builder(),
    push: async (functions: Record<string, string>) =>
      (await platform.send(repository.commit(stackFiles(functions)))).id,
    gate: (functionName: string) => platform.gate(`alice/shop/${functionName}`),
    hold: (functionName: string) => void platform.writer.held.add(functionName),
    drain: () => platform.builder().drain(),
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  } satisfies BuildServiceSubject & { platform: unknown };
}

async function overHttp() {
  const local = await inProcess();
  const { events } = local.platform;
  const environments = ['default', 'staging'];
  const listener = () =>
    createBuildServiceCalls(local.builds, { tokens, logger: silent, events, environments, heartbeatMs: 50 });
  const server = await listen(listener());
  const heard: PlatformEvent[] = [];
  const bus = createEventBus();
  bus.subscribe((event) => heard.push(event));
  const builds = createHttpBuildService({ url: server.url, tokens, logger: silent, events: bus });
  await until(() => builds.isConnected());
  return {
    ...local,
    ...{ local, builds, server, heard, listener },
    async [Symbol.asyncDispose]() {
      await builds[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await local[Symbol.asyncDispose]();
    },
  };
}

describeBuildService('the builder in process', inProcess);
describeBuildService('the builder over HTTP', overHttp);

describe('the builder over HTTP', () => {
  it('tells the same as in process, and of each change', async () => {
    await using it = await overHttp();
    const id = await it.push({ hello: 'one' });
    await it.drain();
    const isDone = (event: PlatformEvent) => event.type === 'push.changed' && event.push.state === 'done';
    await until(() => it.heard.some(isDone));

    const here = await it.local.builds.push(id);
    assert.deepEqual(await it.builds.push(id), here);
    const last = it.heard.at(-1);
    assert.deepEqual(last?.type === 'push.changed' && last.push, here);
    assert.equal(it.heard[0]?.type, 'events.missed');
    assert.ok(it.heard.every(({ type }) => type !== 'log.line'));
  });

  it('gives every line of a log once, however often the connection breaks', async () => {
    await using it = await overHttp();
    const door = it.gate('hello');
    const id = await it.push({ hello: 'one' });
    await door.entered;
    const numbers: number[] = [];
    const reading = (async () => {
      for await (const { n } of it.builds.log(id, 0, new AbortController().signal)) numbers.push(n);
    })();
    for (let breaks = 0; breaks < 3; breaks += 1) {
      await until(() => numbers.length > 0);
      await it.server.restart();
    }
    door.open();
    await reading;

    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    );
    assert.equal(numbers.length, (await it.platform.logOf(id)).length);
  });

  it('knows after a break what began to wait meanwhile, and forgets what is gone', async () => {
    await using it = await overHttp();
    const door = it.gate('first');
    await it.push({ first: 'one' });
    await door.entered;
    await until(() => it.builds.pending('alice', 'first')?.status === 'Building');

    await it.server.kill();
    door.open();
    await it.drain();
    const other = it.gate('second');
    await it.push({ first: 'one', second: 'two' });
    await other.entered;
    assert.equal(it.builds.pending('alice', 'first')?.status, 'Building', 'the last that was known');
    await it.server.restart();

    await until(() => it.builds.pending('alice', 'second')?.status === 'Building');
    assert.equal(it.builds.pending('alice', 'first'), undefined);
    other.open();
  });

  it('hears of every change over a break, or that it did not', async () => {
    await using it = await overHttp();
    await it.server.kill();
    await until(() => !it.builds.isConnected());
    const id = await it.push({ hello: 'one' });
    await it.drain();
    await it.server.restart();
    await until(() => it.heard.some((event) => event.type === 'push.changed' && event.push.id === id));
    assert.equal(it.heard.filter(({ type }) => type === 'events.missed').length, 1);

    await it.server.restart(it.listener());
    await until(() => it.heard.filter(({ type }) => type === 'events.missed').length === 2);
  });

  it('lets a router that may only know what waits know nothing else', async () => {
    await using it = await overHttp();
    const narrow = 'r'.repeat(32);
    const { events } = it.platform;
    await it.server.restart(
      createBuildServiceCalls(it.local.builds, {
        tokens: parseServiceTokens(`${testToken}\n${narrow} build-service/pending`),
        logger: silent,
        events,
      }),
    );
    const retry = { forMs: 0, firstMs: 1, maxMs: 1 };
    const own = parseServiceTokens(narrow);
    await using router = createHttpBuildService({ url: it.server.url, tokens: own, logger: silent, retry });
    const door = it.gate('hello');
    const id = await it.push({ hello: 'one' });
    await door.entered;

    await until(() => router.pending('alice', 'hello')?.status === 'Building');
    await assert.rejects(router.push(id), { code: 'unavailable' });
    await assert.rejects(router.cancel(id, { name: 'R', email: '', login: 'r' }), { code: 'unavailable' });
    door.open();
  });

  it('knows nothing, and harms nobody, while there is no builder', async () => {
    await using server = await listen(() => undefined);
    await server.kill();
    await using router = createHttpBuildService({ url: server.url, tokens, logger: silent });

    assert.equal(router.pending('alice', 'hello'), undefined);
    assert.equal(router.isConnected(), false);
  });
});
