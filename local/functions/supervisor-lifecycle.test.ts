import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { CatalogEntry } from '../../core/catalog.ts';
import { desire, nodeServer, processesWith, type Workshop } from './artifact-fixture.ts';
import { ask, createBench, originOf, ready, until } from './supervisor-fixture.ts';

describe('local function supervisor over time', () => {
  const { workshop, supervise, clear } = createBench(process.env['PATH'] ?? '');
  afterEach(clear);

  const lookingOften = { liveness: { everyMs: 20, timeoutMs: 200, failures: 3 } };

  it('ends a function that got stuck, and starts it again', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, lookingOften);
    const { 'index.js': plain = '' } = nodeServer('x');
    const server = plain.replace(
      "if (request.url === '/crash')",
      "if (request.url === '/stick') for (;;);\n  $&",
    );
    supervisor.apply(desire(await shop.build({ 'index.js': server })));
    await ready(supervisor);
    const { pid } = await ask(supervisor);
    await assert.rejects(fetch(`${originOf(supervisor)}/stick`), 'its connection breaks when it is ended');
    const entry = await until(supervisor, (found) => found?.status === 'Ready' && found.restarts === 1);
    assert.equal(entry?.restarts, 1);
    assert.notEqual((await ask(supervisor)).pid, pid);
    const texts: string[] = [];
    const name = { owner: 'alice', functionName: 'hello' };
    const once = { last: 10, follow: false };
    for await (const { text } of supervisor.lines(name, once, new AbortController().signal)) texts.push(text);
    assert.match(
      texts.join('\n'),
      /^\[version [0-9a-f]{7} got stuck: 3 health checks in a row were not answered\]$/,
    );
  });

  it('lets a function be that answers its health checks, whatever it answers', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, lookingOften);
    const server = `let looks = 0;
require('node:http').createServer((request, response) => {
  if (request.url === '/_/health') response.statusCode = looks++ === 0 ? 200 : 503;
  response.end(String(looks));
}).listen(process.env.PORT, '127.0.0.1');`;
    supervisor.apply(desire(await shop.build({ 'index.js': server })));
    await ready(supervisor);
    const looks = async () => Number(await (await fetch(originOf(supervisor))).text());
    while ((await looks()) < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(supervisor.lookup('alice', 'hello')?.restarts, 0);
  });

  it('starts a crashed function again and counts it', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    supervisor.apply(desire(await shop.build(nodeServer('up'))));
    await ready(supervisor);
    const seen: (CatalogEntry | undefined)[] = [];
    supervisor.subscribe((change) => seen.push(change.entry));
    const { pid } = await ask(supervisor);
    await assert.rejects(fetch(`${originOf(supervisor)}/crash`));
    await until(supervisor, (entry) => entry?.status === 'Ready' && entry.restarts === 1);
    assert.notEqual((await ask(supervisor)).pid, pid);
    assert.equal(seen[0]?.status, 'Degraded');
    assert.match(seen[0]?.reason ?? '', /exited with code 7; it will be started again/);
    assert.deepEqual(seen[0]?.targets, []);
  });

  it('waits longer and longer between restarts, until a version has been up for a while', async () => {
    const shop = await workshop();
    const waits: number[] = [];
    let time = 0;
    const supervisor = await supervise(
      shop,
      { restart: { firstMs: 100, maxMs: 350, resetAfterMs: 60_000 } },
      {
        now: () => time,
        random: () => 1,
        wait: async (ms) => void waits.push(ms),
      },
    );
    supervisor.apply(desire(await shop.build(nodeServer('up'))));
    for (let crash = 0; crash < 5; crash++) {
      await until(supervisor, (entry) => entry?.status === 'Ready' && entry.restarts === crash);
      if (crash === 4) time += 60_000;
      await assert.rejects(fetch(`${originOf(supervisor)}/crash`));
    }
    await until(supervisor, (entry) => entry?.status === 'Ready' && entry.restarts === 5);
    assert.deepEqual(waits, [100, 200, 350, 350, 100]);
  });

  it('puts an idle function to sleep and wakes it once for all who ask', async () => {
    const shop = await workshop();
    let time = 0;
    const supervisor = await supervise(shop, { idleAfterMs: 40 }, { now: () => time });
    const digest = await shop.build(nodeServer('awake'));
    supervisor.apply(desire(digest, { environment: { WHO: 'sleeper' } }));
    await ready(supervisor);
    time += 1000;
    const asleep = await until(supervisor, (entry) => entry?.status === 'Asleep');
    assert.deepEqual(asleep?.targets, []);
    assert.ok(asleep?.image?.endsWith(digest));
    await supervisor.settled('alice', 'hello');
    assert.deepEqual(await processesWith('WHO=sleeper'), []);
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'serving');
    const signal = AbortSignal.timeout(120_000);
    const woken = await Promise.all([1, 2, 3].map(() => supervisor.wake('alice', 'hello', signal)));
    assert.equal(new Set(woken.map((entry) => entry.targets[0]?.origin)).size, 1);
    assert.equal((await processesWith('WHO=sleeper')).length, 1);
  });

  it('refuses to wake what cannot run, with the reason', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { idleAfterMs: 20 });
    const digest = await shop.build(nodeServer('x'));
    supervisor.apply(desire(digest));
    await until(supervisor, (entry) => entry?.status === 'Asleep');
    await rm(path.join(shop.artifactsDir, digest.slice(7)), { recursive: true });
    const signal = AbortSignal.timeout(120_000);
    await assert.rejects(supervisor.wake('alice', 'hello', signal), {
      code: 'unavailable',
      message: '"hello" is not running: it cannot be started; it is being tried again',
    });
    await assert.rejects(supervisor.wake('alice', 'nothing', signal), { code: 'unavailable' });
  });

  it('serves the last good version after a restart while it tries the wanted one again', async () => {
    const shop = await workshop();
    const first = await supervise(shop);
    const good = await shop.build(nodeServer('good'));
    const bad = desire(await shop.build({ 'index.js': 'process.exit(1)' }));
    first.apply(desire(good));
    await ready(first);
    first.apply(bad);
    await until(first, (entry) => entry?.status === 'Degraded');
    await first[Symbol.asyncDispose]();
    const second = await supervise(shop);
    second.apply(bad);
    const entry = await until(second, (found) => found?.status === 'Degraded' && found.targets.length > 0);
    assert.ok(entry?.image?.endsWith(good));
    assert.equal((await ask(second)).text, 'good');
  });

  it('starts the wanted version even if what it kept of the last good one is damaged', async () => {
    const shop = await workshop();
    const first = await supervise(shop);
    const digest = await shop.build(nodeServer('whole'));
    first.apply(desire(digest));
    await ready(first);
    await first[Symbol.asyncDispose]();
    await writeFile(path.join(shop.stateDir, 'alice', 'hello', 'last-good.json'), '{"version":1,');
    const second = await supervise(shop);
    second.apply(desire(digest));
    await ready(second);
    assert.equal((await ask(second)).text, 'whole');
  });

  it('finds another port when a function’s port is taken between the test and its start', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const marker = path.join(shop.artifactsDir, 'tried');
    const once = `const fs = require('node:fs'); if (!fs.existsSync(${JSON.stringify(marker)})) {
  fs.writeFileSync(${JSON.stringify(marker)}, ''); console.error('Error: listen EADDRINUSE: address already in use'); process.exit(1); }`;
    supervisor.apply(desire(await shop.build(nodeServer('second port', once))));
    await until(supervisor, (entry) => entry?.status !== 'Deploying');
    assert.equal((await ask(supervisor)).text, 'second port');
  });

  it('leaves no process behind when it is disposed, even in the middle of a start', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { closingTimeoutMs: 50 });
    const digest = await shop.build(nodeServer('x', `process.on('SIGTERM', () => {});`));
    supervisor.apply(desire(digest, { environment: { WHO: 'disposed' } }));
    await ready(supervisor);
    supervisor.apply(desire(digest, { functionName: 'other', environment: { WHO: 'disposed' } }));
    await supervisor[Symbol.asyncDispose]();
    assert.deepEqual(await processesWith('WHO=disposed'), []);
    assert.deepEqual(await readdir(path.join(shop.stateDir, '.supervisor', 'homes')), []);
  });

  const escaping = `require('node:child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref();`;

  it('ends what a replaced or removed version has started outside of its process group', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const first = await shop.build(nodeServer('one', escaping));
    supervisor.apply(desire(first, { environment: { WHO: 'escaped-1' } }));
    await ready(supervisor);
    assert.equal((await processesWith('WHO=escaped-1')).length, 2);
    supervisor.apply(desire(first, { environment: { WHO: 'escaped-2' } }));
    await ready(supervisor);
    await supervisor.settled('alice', 'hello');
    assert.deepEqual(await processesWith('WHO=escaped-1'), []);
    assert.equal((await processesWith('WHO=escaped-2')).length, 2);
    supervisor.remove('alice', 'hello');
    await until(supervisor, (entry) => entry === undefined);
    assert.deepEqual(await processesWith('WHO=escaped-2'), []);
  });

  it('ends on disposal what functions have started outside of their process groups, in any stage', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { closingTimeoutMs: 50 });
    const environment = { WHO: 'escaped-3' };
    supervisor.apply(desire(await shop.build(nodeServer('x', escaping)), { environment }));
    const never = await shop.build({ 'index.js': `${escaping} setInterval(() => {}, 1000);` });
    supervisor.apply(desire(never, { functionName: 'never', environment }));
    await ready(supervisor);
    while ((await processesWith('WHO=escaped-3')).length < 4);
    await supervisor[Symbol.asyncDispose]();
    assert.deepEqual(await processesWith('WHO=escaped-3'), []);
    assert.deepEqual(await readdir(path.join(shop.stateDir, '.supervisor', 'homes')), []);
  });

  it('wakes nothing once it is disposed', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { idleAfterMs: 20 });
    supervisor.apply(desire(await shop.build(nodeServer('x')), { environment: { WHO: 'late' } }));
    await until(supervisor, (entry) => entry?.status === 'Asleep');
    await supervisor[Symbol.asyncDispose]();
    await assert.rejects(supervisor.wake('alice', 'hello', AbortSignal.timeout(120_000)));
    // By the time that another function has come up, this one would have.
    const other = await workshop();
    const others = await supervise(other);
    others.apply(desire(await other.build(nodeServer('y'))));
    await ready(others);
    assert.deepEqual(await processesWith('WHO=late'), []);
  });

  it('ends what a killed platform left running, and nothing else', async () => {
    const shop = await workshop();
    const digest = await shop.build(nodeServer('x'));
    const platform = spawnPlatform(shop, JSON.stringify(desire(digest, { environment: { WHO: 'orphan' } })));
    await once(platform.stdout!, 'data');
    await assert.rejects(supervise(shop), { code: 'data_folder_unusable' });
    const stranger = spawn('sleep', ['1000'], { env: { WHO: 'stranger', TOWLINE_SUPERVISOR: 'another' } });
    try {
      platform.kill('SIGKILL');
      await once(platform, 'exit');
      assert.equal((await processesWith('WHO=orphan')).length, 1);
      await supervise(shop);
      assert.deepEqual(await processesWith('WHO=orphan'), []);
      assert.equal(stranger.exitCode, null);
      assert.equal((await processesWith('WHO=stranger')).length, 1);
    } finally {
      stranger.kill('SIGKILL');
    }
  });
});

/** A platform in a process of its own, that can be killed; prints a line once its function is ready. */
function spawnPlatform(shop: Workshop, desired: string): ChildProcess {
  const index = new URL('./index.ts', import.meta.url).href;
  const runtime = new URL('../../runtime/', import.meta.url).href;
  const script = `
import { createSupervisor } from ${JSON.stringify(index)};
import { createEventBus } from ${JSON.stringify(`${runtime}event-bus.ts`)};
import { createLogger } from ${JSON.stringify(`${runtime}logger.ts`)};
const deps = { logger: createLogger({ level: 'silent', name: 't' }), events: createEventBus() };
const supervisor = await createSupervisor(${JSON.stringify({ artifactsDir: shop.artifactsDir, stateDir: shop.stateDir, path: process.env['PATH'] })}, deps);
supervisor.subscribe(({ entry }) => { if (entry?.status === 'Ready') process.stdout.write('ready'); });
supervisor.apply(${desired});
`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
