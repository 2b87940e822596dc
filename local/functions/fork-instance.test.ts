import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { ArtifactDescriptor } from '../../core/artifact.ts';
import { createWorkshop, processesWith } from './artifact-fixture.ts';
import { startForkInstance } from './fork-instance.ts';
import type { Instance } from './instance.ts';
import { createPortPool } from './port-pool.ts';

const ports = createPortPool({ from: 30_000, to: 30_999 }, Math.random);

describe('fork-per-request watchdog', () => {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  async function serve(
    mode: 'streaming' | 'serializing',
    command: string[],
    environment: Record<string, string> = {},
    limits = { maxForks: 8, maxResponseBytes: 8_000_000 },
  ): Promise<Instance & { printed(): string }> {
    const shop = await createWorkshop();
    const digest = await shop.build({ 'index.js': '' });
    const root = `${shop.artifactsDir}/${digest.slice(7)}/root`;
    const descriptor: ArtifactDescriptor = { version: 1, language: 'x', mode, command, environment: {} };
    let printed = '';
    const port = await ports.lease();
    const instance = startForkInstance(
      {
        artifact: { root, descriptor },
        port,
        environment: { PATH: process.env['PATH'] ?? '', ...environment },
        onOutput: (chunk) => {
          printed += chunk.toString();
        },
        limits,
      },
      mode,
    );
    open.push(shop, {
      async [Symbol.asyncDispose]() {
        instance.kill();
        await instance.ended;
      },
    });
    const served = { ...instance, printed: () => printed };
    while (!(await fetch(`${instance.origin}/_/health`).catch(() => undefined))?.ok);
    return served;
  }

  const node = (script: string) => ['node', '-e', script];

  for (const mode of ['streaming', 'serializing'] as const) {
    it(`pipes a large body through ${mode}`, async () => {
      const { origin } = await serve(mode, ['cat']);
      const body = Buffer.alloc(5_000_000, 'towline ');
      const response = await fetch(origin, { method: 'POST', body });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/octet-stream');
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(body));
    });

    it(`tells the request to a ${mode} process as Http_ variables`, async () => {
      const { origin } = await serve(mode, ['env'], { content_type: 'text/plain', GREETING: 'hi' });
      const headers = {
        'x-custom-header': 'a b',
        'content-type': 'application/json',
        method: 'FORGED',
        proxy: 'http://evil',
        x_under_score: 'posing',
      };
      const response = await fetch(`${origin}/some/path?a=1&b=%20`, { method: 'PUT', headers, body: '{}' });
      assert.equal(response.headers.get('content-type'), 'text/plain');
      const lines = (await response.text()).split('\n');
      for (const line of [
        'Http_Method=PUT',
        'Http_Path=/some/path',
        'Http_Query=a=1&b=%20',
        'Http_X_Custom_Header=a b',
        'Http_Content_Type=application/json',
        'Http_Content_Length=2',
        'GREETING=hi',
      ]) {
        assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`);
      }
      assert.ok(!lines.some((line) => /FORGED|evil|posing/.test(line)), lines.join('\n'));
    });

    it(`ends a ${mode} process whose caller has gone`, async () => {
      const { origin } = await serve(mode, ['sleep', '1000'], { WHO: `left-${mode}` });
      const { port } = new URL(origin);
      const socket = connect(Number(port), '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(async () => (await processesWith(`WHO=left-${mode}`)).length === 1);
      socket.destroy();
      await until(async () => (await processesWith(`WHO=left-${mode}`)).length === 0);
    });
  }

  it('streams output while the process runs', async () => {
    const { origin } = await serve('streaming', node(`process.stdin.pipe(process.stdout)`));
    const agent = new Agent();
    const call = request(origin, { method: 'POST', agent });
    call.write('first');
    const response = await new Promise<AsyncIterable<Buffer>>((resolve) => call.on('response', resolve));
    const chunks: string[] = [];
    for await (const chunk of response) {
      chunks.push(chunk.toString());
      if (chunks.length === 1) call.end('second');
    }
    agent.destroy();
    assert.equal(chunks.join(''), 'firstsecond');
    assert.ok(chunks.length >= 2);
  });

  it('answers 200 in streaming mode and 500 in serializing mode when the process fails', async () => {
    const script = `process.stdout.write('partial'); console.error('it broke'); process.exitCode = 3`;
    const streaming = await serve('streaming', node(script));
    const streamed = await fetch(streaming.origin);
    assert.deepEqual([streamed.status, await streamed.text()], [200, 'partial']);
    assert.match(streaming.printed(), /it broke/);
    const serializing = await serve('serializing', node(script));
    const collected = await fetch(serializing.origin);
    assert.deepEqual([collected.status, await collected.text()], [500, 'the function exited with code 3\n']);
  });

  it('ends a process that takes too long: 504 if it can still be said, else a cut connection', async () => {
    const environment = { exec_timeout: '100ms', WHO: 'too-slow' };
    const serializing = await serve('serializing', ['sleep', '1000'], environment);
    const response = await fetch(serializing.origin);
    assert.deepEqual([response.status, await response.text()], [504, 'the function took more than 0.1 s\n']);
    const streaming = await serve('streaming', ['sleep', '1000'], environment);
    await assert.rejects(async () => (await fetch(streaming.origin)).text());
    await until(async () => (await processesWith('WHO=too-slow')).length === 0);
  });

  it('does not buffer an answer without bound', async () => {
    const { origin } = await serve('serializing', ['yes'], {}, { maxForks: 8, maxResponseBytes: 1000 });
    const response = await fetch(origin);
    assert.deepEqual(
      [response.status, await response.text()],
      [500, 'the function answered more than 1000 bytes\n'],
    );
  });

  it('answers 429 when as many processes run as may', async () => {
    const { origin } = await serve('streaming', ['cat'], { max_inflight: '1' });
    const call = request(origin, { method: 'POST' });
    call.flushHeaders();
    const response = await new Promise<AsyncIterable<Buffer>>((resolve) => call.on('response', resolve));
    assert.equal((await fetch(origin)).status, 429);
    assert.equal((await fetch(`${origin}/_/ready`)).status, 429);
    assert.equal((await fetch(`${origin}/_/health`)).status, 200);
    call.end();
    for await (const chunk of response) assert.fail(`unexpected ${String(chunk)}`);
    await until(async () => (await fetch(`${origin}/_/ready`)).status === 200);
  });

  it('says 405 to anything but GET at the health path', async () => {
    const { origin } = await serve('streaming', ['cat']);
    assert.equal((await fetch(`${origin}/_/health`, { method: 'POST' })).status, 405);
  });

  it('answers 500 when the program cannot be started', async () => {
    for (const mode of ['streaming', 'serializing'] as const) {
      const { origin } = await serve(mode, ['no-such-program']);
      assert.equal((await fetch(origin)).status, 500);
    }
  });

  it('finishes running requests when it is told to end', async () => {
    const instance = await serve('streaming', ['cat']);
    const call = request(instance.origin, { method: 'POST' });
    call.flushHeaders();
    const response = await new Promise<AsyncIterable<Buffer>>((resolve) => call.on('response', resolve));
    instance.terminate();
    await assert.rejects(fetch(instance.origin));
    call.end('still served');
    let text = '';
    for await (const chunk of response) text += String(chunk);
    assert.equal(text, 'still served');
    assert.equal(await instance.ended, 'was stopped');
  });

  it('ends although a program that left the process group holds the answer open', async () => {
    const script = `require('node:child_process').spawn('sleep', ['1000'], { detached: true, stdio: 'inherit' }).unref(); process.exit(0);`;
    const instance = await serve('streaming', node(script), { WHO: 'pipe-holder', max_inflight: '1' });
    const response = await fetch(instance.origin);
    const programs = async () => {
      const pids = await processesWith('WHO=pipe-holder');
      return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'ended')));
    };
    await until(async () => (await programs()).join() === 'sleep\n');
    instance.kill();
    assert.equal(await instance.ended, 'was stopped');
    await response.text().catch(() => 'cut off');
    for (const pid of await processesWith('WHO=pipe-holder')) process.kill(pid, 'SIGKILL');
  });

  it('does not wait for what a process left running', async () => {
    const script = `require('node:child_process').spawn('sleep', ['1000'], { stdio: 'inherit' }); process.stdout.write('done', () => process.exit(0));`;
    const { origin } = await serve('serializing', node(script), { WHO: 'left-behind' });
    assert.equal(await (await fetch(origin)).text(), 'done');
    assert.deepEqual(await processesWith('WHO=left-behind'), []);
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
