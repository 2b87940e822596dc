import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { CatalogEntry } from '../../core/catalog.ts';
import type { PlatformEvent } from '../../core/events.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createWorkshop, desire, nodeServer, processesWith, type Workshop } from './artifact-fixture.ts';
import { createSupervisor, type Supervisor, type SupervisorOptions } from './index.ts';

const logger = createLogger({ level: 'silent', name: 'test' });

describe('local function supervisor', () => {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  async function workshop(): Promise<Workshop> {
    const created = await createWorkshop();
    open.push(created);
    return created;
  }

  async function supervise(
    shop: Workshop,
    options: Partial<SupervisorOptions> = {},
    events = createEventBus(),
  ) {
    const supervisor = await createSupervisor(
      {
        artifactsDir: shop.artifactsDir,
        stateDir: shop.stateDir,
        path: process.env['PATH'] ?? '',
        drainDelayMs: 20,
        restart: { firstMs: 1, maxMs: 20, resetAfterMs: 60_000 },
        retry: { firstMs: 20, maxMs: 20 },
        ...options,
      },
      { logger, events },
    );
    open.push(supervisor);
    return supervisor;
  }

  /** Resolves with the first entry of alice/hello that fits. */
  function until(supervisor: Supervisor, fits: (entry: CatalogEntry | undefined) => boolean, name = 'hello') {
    return new Promise<CatalogEntry | undefined>((resolve) => {
      const check = () => {
        const entry = supervisor.lookup('alice', name);
        if (!fits(entry)) return;
        unsubscribe();
        resolve(entry);
      };
      const unsubscribe = supervisor.subscribe(check);
      check();
    });
  }

  const ready = (supervisor: Supervisor) => until(supervisor, (entry) => entry?.status === 'Ready');
  const originOf = (supervisor: Supervisor) => supervisor.lookup('alice', 'hello')!.targets[0]!.origin;

  async function ask(supervisor: Supervisor, path = '/'): Promise<{ text: string; pid: number }> {
    const response = await fetch(`${originOf(supervisor)}${path}`);
    assert.equal(response.status, 200);
    return { text: await response.text(), pid: Number(response.headers.get('x-pid')) };
  }

  it('starts a function, serves it, and tells the event bus each change', async () => {
    const shop = await workshop();
    const events = createEventBus();
    const seen: PlatformEvent[] = [];
    events.subscribe((event) => seen.push(event));
    const supervisor = await supervise(shop, {}, events);
    supervisor.apply(desire(await shop.build(nodeServer('one')), { environment: { GREETING: '!' } }));
    assert.equal(supervisor.lookup('alice', 'hello')?.status, 'Deploying');
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'one!');
    const statuses = seen.map((event) =>
      event.type === 'function.changed' ? event.change.entry?.status : '?',
    );
    assert.deepEqual(statuses, ['Deploying', 'Ready']);
    assert.ok(seen.every((event) => event.ownerId === 'id-alice'));
  });

  it('gives a function an environment of its own and nothing of the platform', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const files = {
      'index.js': `require('node:http').createServer((q, r) => r.end(JSON.stringify(process.env))).listen(process.env.http_port, '127.0.0.1')`,
    };
    supervisor.apply(
      desire(await shop.build(files, { environment: { A: 'template', B: 'template' } }), {
        environment: { B: 'own', PORT: '1' },
      }),
    );
    await ready(supervisor);
    const { HOME, TMPDIR, TOWLINE_SUPERVISOR, PATH, PORT, http_port, ...rest } = JSON.parse(
      (await ask(supervisor)).text,
    );
    assert.deepEqual(rest, { A: 'template', B: 'own' });
    assert.equal(PORT, new URL(originOf(supervisor)).port);
    assert.equal(http_port, PORT);
    assert.ok(PATH && TOWLINE_SUPERVISOR);
    assert.ok(HOME.startsWith(shop.stateDir) && TMPDIR === HOME);
  });

  it('replaces a version under load without one failed request', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const digests = await Promise.all(
      ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'].map((text) => shop.build(nodeServer(text))),
    );
    supervisor.apply(desire(digests[0]!));
    await ready(supervisor);
    const agent = new Agent({ keepAlive: true });
    const answers = new Set<string>();
    const failures: unknown[] = [];
    let isOver = false;
    let requests = 0;
    const client = async () => {
      while (!isOver) {
        requests++;
        try {
          answers.add(await get(originOf(supervisor), agent));
        } catch (error) {
          failures.push(error);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const clients = [client(), client(), client(), client()];
    for (const digest of digests.slice(1)) {
      supervisor.apply(desire(digest));
      await until(supervisor, (entry) => entry?.status === 'Ready' && entry.image?.endsWith(digest) === true);
    }
    await supervisor.settled('alice', 'hello');
    isOver = true;
    await Promise.all(clients);
    agent.destroy();
    assert.deepEqual(failures, []);
    assert.ok(requests > 50, `only ${requests} requests`);
    assert.ok(answers.has('v0') && answers.has('v5'), [...answers].join());
  });

  it('lets a replaced version finish the request it is in', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const slow = `
const server = require('node:http').createServer((q, r) => {
  if (q.url === '/_/health') return r.end();
  r.write('begun');
  process.on('SIGTERM', () => { r.end(' and done'); });
});
server.listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => server.close());`;
    supervisor.apply(desire(await shop.build({ 'index.js': slow })));
    await ready(supervisor);
    const response = await fetch(originOf(supervisor), { headers: { connection: 'close' } });
    const next = await shop.build(nodeServer('next'));
    supervisor.apply(desire(next));
    assert.equal(await response.text(), 'begun and done');
    await until(supervisor, (entry) => entry?.status === 'Ready');
    assert.equal((await ask(supervisor)).text, 'next');
  });

  it('ends a replaced version that will not end, with everything it started', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { drainTimeoutMs: 50 });
    const stubborn = nodeServer('old', `process.on('SIGTERM', () => {});`);
    const before = `require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' });`;
    stubborn['index.js'] =
      `${before}${stubborn['index.js']!.replace("process.on('SIGTERM', () => server.close(() => process.exit(0)));", '')}`;
    supervisor.apply(desire(await shop.build(stubborn), { environment: { WHO: 'stubborn-one' } }));
    await ready(supervisor);
    assert.equal((await processesWith('WHO=stubborn-one')).length, 2);
    supervisor.apply(desire(await shop.build(nodeServer('new'))));
    await ready(supervisor);
    await supervisor.settled('alice', 'hello');
    assert.deepEqual(await processesWith('WHO=stubborn-one'), []);
  });

  it('keeps the old version when the new one exits, and says why', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const good = await shop.build(nodeServer('good'));
    supervisor.apply(desire(good));
    await ready(supervisor);
    const bad = await shop.build({ 'index.js': `throw new TypeError('no such thing')` });
    supervisor.apply(desire(bad));
    const entry = await until(supervisor, (candidate) => candidate?.status === 'Degraded');
    assert.match(
      entry!.reason!,
      /did not get healthy: exited with code 1 .*TypeError: no such thing; version .* still serves/,
    );
    assert.ok(entry!.image!.endsWith(good) && entry!.desiredImage.endsWith(bad));
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'failed');
    assert.equal(supervisor.progress('alice', 'hello')?.cause?.code, 'unhealthy');
    assert.equal((await ask(supervisor)).text, 'good');
    supervisor.apply(desire(good));
    assert.equal((await ready(supervisor))?.reason, null);
  });

  it('fails a version that never answers its health check', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { readyTimeoutMs: 150 });
    const files = { 'index.js': `console.error('waiting for godot'); setInterval(() => {}, 1000)` };
    supervisor.apply(desire(await shop.build(files), { environment: { WHO: 'never-healthy' } }));
    const entry = await until(supervisor, (candidate) => candidate?.status === 'Failed');
    assert.match(entry!.reason!, /did not answer its health check within 0.15 s/);
    assert.deepEqual([entry!.image, entry!.targets], [null, []]);
    supervisor.remove('alice', 'hello');
    await until(supervisor, (candidate) => candidate === undefined);
    assert.deepEqual(await processesWith('WHO=never-healthy'), []);
  });

  it('waits while the health check answers 503', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const files = {
      'index.js': `let n = 0; require('node:http').createServer((q, r) => {
  if (q.url === '/_/health') { r.statusCode = ++n < 4 ? 503 : 404; return r.end(); }
  r.end(String(n)); }).listen(process.env.PORT, '127.0.0.1')`,
    };
    supervisor.apply(desire(await shop.build(files)));
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, '4');
  });

  it('gives up a start for a newer version', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const hanging = await shop.build({ 'index.js': 'setInterval(() => {}, 1000)' });
    supervisor.apply(desire(hanging, { environment: { WHO: 'hanging' } }));
    supervisor.apply(desire(await shop.build(nodeServer('newer'))));
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'newer');
    await supervisor.settled('alice', 'hello');
    assert.deepEqual(await processesWith('WHO=hanging'), []);
  });

  it('says that an artifact is gone', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    supervisor.apply(desire(`sha256:${'0'.repeat(64)}`));
    const entry = await until(supervisor, (candidate) => candidate?.status === 'Failed');
    assert.match(entry!.reason!, /not in the store/);
    assert.equal(supervisor.progress('alice', 'hello')?.cause?.code, 'image_gone');
  });

  it('tries a failed version again at once when it is deployed anew, but not when the same is asked again', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { retry: { firstMs: 3_600_000, maxMs: 3_600_000 } });
    const digest = await shop.build(nodeServer('rebuilt'));
    const folder = path.join(shop.artifactsDir, digest.slice(7));
    await rename(folder, `${folder}.away`);
    supervisor.apply(desire(digest));
    await until(supervisor, (entry) => entry?.status === 'Failed');
    await rename(`${folder}.away`, folder);
    supervisor.apply(desire(digest));
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'failed');
    supervisor.apply(desire(digest, { sourceCommit: 'e'.repeat(40) }));
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'starting');
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'rebuilt');
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
    const supervisor = await createSupervisor(
      {
        artifactsDir: shop.artifactsDir,
        stateDir: shop.stateDir,
        path: process.env['PATH'] ?? '',
        restart: { firstMs: 100, maxMs: 350, resetAfterMs: 60_000 },
      },
      {
        logger,
        events: createEventBus(),
        now: () => time,
        random: () => 1,
        wait: async (ms) => void waits.push(ms),
      },
    );
    open.push(supervisor);
    supervisor.apply(desire(await shop.build(nodeServer('up'))));
    for (let crash = 0; crash < 5; crash++) {
      await until(supervisor, (entry) => entry?.status === 'Ready' && entry.restarts === crash);
      if (crash === 4) time += 60_000;
      await assert.rejects(fetch(`${originOf(supervisor)}/crash`));
    }
    await until(supervisor, (entry) => entry?.status === 'Ready' && entry.restarts === 5);
    assert.deepEqual(waits, [100, 200, 350, 350, 100]);
  });

  it('does not restart for a change of provenance', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const digest = await shop.build(nodeServer('same'));
    supervisor.apply(desire(digest));
    await ready(supervisor);
    const { pid } = await ask(supervisor);
    supervisor.apply(desire(digest, { sourceCommit: 'f'.repeat(40), branch: 'next' }));
    const entry = supervisor.lookup('alice', 'hello');
    assert.deepEqual([entry?.status, entry?.sourceCommit, entry?.branch], ['Ready', 'f'.repeat(40), 'next']);
    assert.equal((await ask(supervisor)).pid, pid);
    supervisor.apply(desire(digest, { environment: { GREETING: ' changed' } }));
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'starting');
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'same changed');
  });

  it('removes a function and everything kept of it', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const digest = await shop.build(nodeServer('gone'));
    supervisor.apply(desire(digest, { environment: { WHO: 'removed' } }));
    await ready(supervisor);
    assert.equal(supervisor.hasOwner('alice'), true);
    supervisor.remove('alice', 'hello');
    assert.deepEqual(supervisor.lookup('alice', 'hello')?.targets, []);
    await until(supervisor, (entry) => entry === undefined);
    assert.deepEqual(await processesWith('WHO=removed'), []);
    assert.equal(supervisor.hasOwner('alice'), false);
    assert.equal(existsSync(path.join(shop.stateDir, 'alice', 'hello')), false);
  });

  it('serves a function that is asked for again while it is being removed', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    supervisor.apply(desire(await shop.build(nodeServer('first'))));
    await ready(supervisor);
    supervisor.remove('alice', 'hello');
    supervisor.apply(desire(await shop.build(nodeServer('second'))));
    await ready(supervisor);
    await supervisor.settled('alice', 'hello');
    assert.equal((await ask(supervisor)).text, 'second');
  });

  it('puts an idle function to sleep and wakes it once for all who ask', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { idleAfterMs: 80 });
    const digest = await shop.build(nodeServer('awake'));
    supervisor.apply(desire(digest, { environment: { WHO: 'sleeper' } }));
    const asleep = await until(supervisor, (entry) => entry?.status === 'Asleep');
    assert.deepEqual(asleep?.targets, []);
    assert.ok(asleep?.image?.endsWith(digest));
    await supervisor.settled('alice', 'hello');
    assert.deepEqual(await processesWith('WHO=sleeper'), []);
    assert.equal(supervisor.progress('alice', 'hello')?.state, 'serving');
    const signal = AbortSignal.timeout(10_000);
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
    const signal = AbortSignal.timeout(10_000);
    await assert.rejects(supervisor.wake('alice', 'hello', signal), {
      code: 'unavailable',
      message: /not in the store/,
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

  it('keeps serving when what is asked for cannot be tried, and forgets what nobody asks for', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    supervisor.apply(desire(await shop.build(nodeServer('kept'))));
    await ready(supervisor);
    const place = { file: 'tenants/alice/hello.yaml', line: 3 };
    supervisor.reject(
      { owner: 'alice', functionName: 'hello' },
      { code: 'manifest_refused', message: 'not YAML', place },
    );
    const entry = supervisor.lookup('alice', 'hello');
    assert.equal(entry?.status, 'Degraded');
    assert.match(entry?.reason ?? '', /^tenants\/alice\/hello.yaml:3: not YAML; version .* still serves$/);
    assert.equal((await ask(supervisor)).text, 'kept');
    await supervisor[Symbol.asyncDispose]();
    const next = await supervise(shop);
    await next.forgetAllBut([]);
    assert.equal(existsSync(path.join(shop.stateDir, 'alice', 'hello')), false);
  });

  it('refuses names that would leave its folder', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const digest = await shop.build(nodeServer('x'));
    assert.throws(() => supervisor.apply(desire(digest, { owner: '../..' })), { code: 'name_invalid' });
    assert.throws(() => supervisor.apply(desire(digest, { functionName: '..' })), { code: 'name_invalid' });
    assert.throws(() => supervisor.remove('alice', '../bob'), { code: 'name_invalid' });
  });

  it('keeps a bounded log of what a function prints', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop, { maxLogBytes: 20_000 });
    const files = nodeServer(
      'x',
      `for (let i = 0; i < 5000; i++) process.stdout.write('line ' + i + '\\n');`,
    );
    supervisor.apply(desire(await shop.build(files)));
    await ready(supervisor);
    await supervisor[Symbol.asyncDispose]();
    const folder = path.join(shop.stateDir, 'alice', 'hello');
    const logs = (await readdir(folder)).filter((name) => name.startsWith('output.log'));
    const texts = await Promise.all(logs.map((name) => readFile(path.join(folder, name), 'utf8')));
    const bytes = texts.join('').length;
    assert.ok(bytes > 0 && bytes <= 20_000, `${bytes} bytes`);
    assert.ok(texts.some((text) => text.includes('line 4999\n')));
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

function get(origin: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(origin, { agent }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    });
    call.on('error', reject);
    call.end();
  });
}

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
