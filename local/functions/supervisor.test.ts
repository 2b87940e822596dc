import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { PlatformEvent } from '../../core/events.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { desire, nodeServer, processesWith } from './artifact-fixture.ts';
import { ask, createBench, originOf, ready, until } from './supervisor-fixture.ts';

describe('local function supervisor', () => {
  const { workshop, supervise, clear } = createBench(process.env['PATH'] ?? '');
  afterEach(clear);

  it('starts a function, serves it, and tells the event bus each change', async () => {
    const shop = await workshop();
    const events = createEventBus();
    const seen: PlatformEvent[] = [];
    events.subscribe((event) => seen.push(event));
    const supervisor = await supervise(shop, {}, { events });
    supervisor.apply(desire(await shop.build(nodeServer('one')), { environment: { GREETING: '!' } }));
    assert.equal(supervisor.lookup('alice', 'hello')?.status, 'Deploying');
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'one!');
    const statuses = seen.map((event) =>
      event.type === 'function.changed' ? event.change.entry?.status : '?',
    );
    assert.deepEqual(statuses, ['Deploying', 'Ready']);
    assert.ok(seen.every((event) => 'ownerId' in event && event.ownerId === 'id-alice'));
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
    const { HOME, TMPDIR, TOWLINE_SUPERVISOR, TOWLINE_INSTANCE, PATH, PORT, http_port, ...rest } = JSON.parse(
      (await ask(supervisor)).text,
    );
    assert.deepEqual(rest, { A: 'template', B: 'own' });
    assert.equal(PORT, new URL(originOf(supervisor)).port);
    assert.equal(http_port, PORT);
    assert.ok(PATH && TOWLINE_SUPERVISOR && TOWLINE_INSTANCE);
    assert.ok(HOME.startsWith(shop.stateDir) && TMPDIR === HOME);
  });

  it('shows a hold beside what serves, without touching the process', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const version = desire(await shop.build(nodeServer('one')));
    supervisor.apply(version);
    const before = await ready(supervisor);
    assert.equal(before?.hold, null);
    const { pid } = await ask(supervisor);
    const hold = { by: 'alice', since: 1_000, reason: 'a fair' };
    supervisor.apply({ ...version, hold });
    const held = supervisor.lookup('alice', 'hello');
    assert.deepEqual(held, { ...before, hold });
    assert.equal((await ask(supervisor)).pid, pid);
    supervisor.apply(desire(await shop.build({ 'index.js': 'process.exit(1)' }), { hold }));
    const degraded = await until(supervisor, (entry) => entry?.status === 'Degraded');
    assert.deepEqual(degraded?.hold, hold, 'neither hides the other');
    supervisor.apply(version);
    assert.equal(supervisor.lookup('alice', 'hello')?.hold, null);
  });

  it('tells its owner what a failing function printed, and visitors only that it failed', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const secret = 'postgres://app:hunter2@db';
    const leak = `console.error('cannot connect to ${secret}'); process.exit(1);`;
    const bad = await shop.build({ 'index.js': leak });
    supervisor.apply(desire(bad));
    const failed = await until(supervisor, (entry) => entry?.status === 'Failed');
    assert.ok(failed?.reason?.includes(secret));
    assert.equal(failed?.publicReason, 'its newest version did not start');
    const signal = AbortSignal.timeout(120_000);
    await assert.rejects(supervisor.wake('alice', 'hello', signal), {
      message: '"hello" is not running: its newest version did not start',
    });

    supervisor.apply(desire(await shop.build(nodeServer('up', `process.on('exit', () => { ${leak} });`))));
    assert.equal((await ready(supervisor))?.publicReason, null);
    supervisor.apply(desire(bad));
    const degraded = await until(supervisor, (entry) => entry?.status === 'Degraded');
    assert.ok(degraded?.reason?.includes(secret));
    assert.equal(degraded?.publicReason, 'its newest version did not start; an earlier one still serves');
    const crashed = until(supervisor, (entry) => entry?.targets.length === 0);
    await assert.rejects(fetch(`${originOf(supervisor)}/crash`));
    const publicReason = (await crashed)?.publicReason;
    assert.equal(publicReason, 'its newest version did not start; it crashed and is being started again');
  });

  it('names the images it still needs: what serves, and what is tried instead', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    assert.deepEqual(supervisor.imagesInUse(), []);
    const good = desire(await shop.build(nodeServer('good')));
    supervisor.apply(good);
    await ready(supervisor);
    const bad = [1, 2].map((code) => shop.build({ 'index.js': `process.exit(${code})` }));
    const [second, third] = (await Promise.all(bad)).map((digest) => desire(digest));
    for (const version of [second!, third!]) supervisor.apply(version);
    await until(supervisor, (entry) => entry?.status === 'Degraded');
    assert.deepEqual(new Set(supervisor.imagesInUse()), new Set([good.image, third!.image]));
  });

  it('says in fixed words why a manifest cannot be tried', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const name = { owner: 'alice', functionName: 'hello' };
    supervisor.reject(name, { code: 'manifest_refused', message: 'bad value "hunter2"' });
    const entry = supervisor.lookup('alice', 'hello');
    assert.match(entry?.reason ?? '', /hunter2/);
    assert.equal(entry?.publicReason, 'its newest version cannot be run');
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

  it('closes a function as soon as that is asked for, and opens it no sooner than its version serves', async () => {
    const shop = await workshop();
    const supervisor = await supervise(shop);
    const digest = await shop.build(nodeServer('x'));
    const access = () => supervisor.lookup('alice', 'hello')?.access;
    supervisor.apply(desire(digest, { access: 'owner' }));
    assert.equal(access(), 'owner', 'while it starts');
    await ready(supervisor);
    supervisor.apply(desire(await shop.build({ 'index.js': 'process.exit(1)' }), { access: 'public' }));
    await until(supervisor, (entry) => entry?.status === 'Degraded');
    assert.equal(access(), 'owner', 'the old version serves');
    const { pid } = await ask(supervisor);
    supervisor.apply(desire(digest, { access: 'public' }));
    assert.equal(access(), 'public');
    supervisor.apply(desire(digest, { access: 'members' }));
    assert.equal(access(), 'members');
    assert.equal((await ask(supervisor)).pid, pid, 'no process was touched');
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
    const folder = path.join(shop.stateDir, 'alice', 'hello');
    const read = async () => {
      // A file may be renamed between the two looks.
      const names = await readdir(folder).catch(() => []);
      const logs = names.filter((name) => name.startsWith('output.log'));
      return Promise.all(logs.map((name) => readFile(path.join(folder, name), 'utf8').catch(() => '')));
    };
    // Being ready says nothing of how much of its output has been read.
    const isWhole = async () => (await read()).some((text) => text.includes('line 4999\n'));
    while (!(await isWhole())) await new Promise((resolve) => setTimeout(resolve, 5));
    await supervisor[Symbol.asyncDispose]();
    const texts = await read();
    const bytes = texts.join('').length;
    assert.ok(bytes > 0 && bytes <= 20_000, `${bytes} bytes`);
    assert.ok(texts.some((text) => text.includes('line 4999\n')));
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
