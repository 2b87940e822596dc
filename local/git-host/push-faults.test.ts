import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createTestbed, deployOf, type Testbed, tokenFor } from './testbed.ts';

const isDefault = ({ defaultBranch }: { defaultBranch: string }, branch: string) => branch === defaultBranch;

const path = process.env['PATH'] ?? '';

/** Ids of running processes whose environment names the folder. */
async function processesOf(dir: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found: string[] = [];
  for (const id of ids) {
    const environment = await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '');
    if (environment.includes(dir)) found.push(id);
  }
  return found;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a push that is disturbed', { timeout: 120_000 }, () => {
  let bed: Testbed;
  beforeEach(async () => {
    bed = await createTestbed(path, { stallTimeoutMs: 20_000 });
  });
  afterEach(() => bed[Symbol.asyncDispose]());

  /** Starts a push and resolves with the client once it prints `text`. */
  async function pushUntil(text: string, repository = 'alice/app.git') {
    const cwd = await bed.workTree();
    const client = spawn('git', ['push', bed.url(repository), 'main'], {
      cwd,
      env: bed.clientEnv('alice'),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    client.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const ended = once(client, 'close');
    await until(() => output.includes(text));
    // As Ctrl+C in a terminal does, to git and to its helpers alike.
    return { ended, output: () => output, interrupt: () => process.kill(-client.pid!, 'SIGINT') };
  }

  it('is deployed though the client is interrupted while the hook runs', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    bed.builds.script = async ({ event, log, done }) => {
      log({ text: 'the build has begun' });
      await held;
      done({ deploys: [deployOf(event, {})] });
    };

    const { interrupt, ended } = await pushUntil('the build has begun');
    interrupt();
    await ended;
    const whileBuilding = await processesOf(join(bed.dir, 'repos'));
    release();

    const [event] = await bed.webhook.until(1);
    assert.equal(event?.type, 'push');
    assert.equal((await bed.builds.push(event!.id))?.state, 'done');
    assert.notDeepEqual(whileBuilding, []);
    await until(async () => (await processesOf(join(bed.dir, 'repos'))).length === 0);
  });

  it('is delivered though the client is killed before the builder has answered', async () => {
    bed.webhook.status = 503;

    const { interrupt, ended } = await pushUntil('Stored');
    interrupt();
    await ended;
    bed.webhook.status = 202;

    const [event] = await bed.webhook.until(1);
    assert.equal(event?.repository.name, 'app');
  });

  it('ends at once and leaves nothing if the client goes away during the upload', async () => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(bed.origin).port) });
    socket.on('error', () => {});
    socket.write(
      [
        'POST /git/alice/app.git/git-receive-pack HTTP/1.1',
        'Host: localhost',
        `Authorization: Bearer ${tokenFor('alice')}`,
        'Content-Type: application/x-git-receive-pack-request',
        'Transfer-Encoding: chunked',
        '',
        '4\r\n00a0\r\n',
      ].join('\r\n'),
    );
    await until(async () => (await processesOf(join(bed.dir, 'repos'))).length > 0);

    socket.destroy();

    await until(async () => (await processesOf(join(bed.dir, 'repos'))).length === 0);
    assert.deepEqual(bed.webhook.events, []);
  });

  it('is ended if it stands still', async () => {
    await using strict = await createTestbed(path, { stallTimeoutMs: 100 });
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(strict.origin).port) });
    socket.on('error', () => {});
    const closed = once(socket.resume(), 'close');
    socket.write(
      `POST /git/alice/app.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenFor('alice')}\r\n` +
        'Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n00a0',
    );

    await closed;

    await until(async () => (await processesOf(join(strict.dir, 'repos'))).length === 0);
  });

  it('is stored and said to be so while the builder cannot be reached', async () => {
    bed.webhook.status = 400;
    const cwd = await bed.workTree();

    const result = await bed.git(['push', bed.url('alice/app.git'), 'main'], { as: 'alice', cwd });

    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stderr, /remote: main: The push is stored, but the builder cannot be reached/);
    const heads = [];
    for await (const entry of bed.host.sourceAccess.heads(isDefault)) heads.push(entry.repository.name);
    assert.deepEqual(heads, ['app']);
  });

  it('is known with its pusher after a restart, whoever pushed before and to other branches', async () => {
    bed.webhook.status = 400;
    const cwd = await bed.workTree();
    const actors = async () => {
      await bed.restart();
      const found = [];
      for await (const entry of bed.host.sourceAccess.heads(isDefault)) found.push(entry.actor);
      return found;
    };

    await bed.git(['push', bed.url('alice/app.git'), 'main'], { as: 'alice', cwd });
    const first = await actors();
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Next'], { cwd });
    await bed.git(['push', bed.url('alice/app.git'), 'main'], { as: 'demo', cwd });
    await bed.git(['push', bed.url('alice/app.git'), 'main:other'], { as: 'alice', cwd });
    const second = await actors();
    await rm(join(bed.dir, 'repos/alice/app.git/logs'), { recursive: true });
    const unknown = await actors();

    assert.deepEqual(first, [{ name: 'alice Person', email: 'alice@example.com', login: 'alice' }]);
    assert.deepEqual(second, [{ name: 'demo Person', email: 'demo@example.com', login: 'demo' }]);
    assert.deepEqual(unknown, [undefined]);
  });

  it('is retried until the builder takes it, as one event', async () => {
    bed.webhook.status = 503;

    const { ended, output } = await pushUntil('Stored');
    bed.webhook.status = 202;
    const [code] = await ended;

    assert.equal(code, 0, output());
    assert.equal(bed.webhook.events.length, 1);
    assert.match(output(), /==> hello is live/);
  });

  it('does not keep the host from stopping, and leaves no process', async () => {
    bed.builds.script = ({ log }) => log({ text: 'the build has begun' });
    const { ended, output } = await pushUntil('the build has begun');

    await bed.host[Symbol.asyncDispose]();
    await ended;

    await until(async () => (await processesOf(join(bed.dir, 'repos'))).length === 0);
    assert.doesNotMatch(output(), /is live/);
  });

  it('is refused with a reason if its objects are malformed', async () => {
    const cwd = await bed.workTree();
    const blob = await bed.git(['hash-object', '-w', 'stack.yml'], { cwd });
    const entry = `100644 blob ${blob.stdout.toString().trim()}\t.git\n`;
    const tree = await bed.git(['mktree'], { cwd, input: entry });
    const commit = await bed.git(['commit-tree', '-m', 'Bad', tree.stdout.toString().trim()], { cwd });
    await writeFile(join(cwd, '.git/refs/heads/main'), commit.stdout);

    const result = await bed.git(['push', bed.url('alice/app.git'), 'main'], { as: 'alice', cwd });

    assert.match(result.stderr, /hasDotgit/);
    assert.notEqual(result.exitCode, 0);
    assert.deepEqual(bed.webhook.events, []);
  });

  it('goes through though an earlier git was killed while it held a lock', async () => {
    const cwd = await bed.workTree();
    const push = () => bed.git(['push', bed.url('alice/app.git'), 'main'], { as: 'alice', cwd });
    await push();
    await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Next'], { cwd });
    const locks = ['refs/heads/main.lock', 'packed-refs.lock', 'HEAD.lock'].map((name) =>
      join(bed.dir, 'repos/alice/app.git', name),
    );
    for (const lock of locks) await writeFile(lock, '');

    const held = await push();
    for (const lock of locks) await utimes(lock, new Date(0), new Date(0));
    const freed = await push();

    assert.notEqual(held.exitCode, 0);
    assert.equal(freed.exitCode, 0, freed.stderr);
  });
});
