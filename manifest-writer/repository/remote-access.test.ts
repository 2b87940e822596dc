import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { TowlineError } from '../../core/errors.ts';
import { createManifestWriter, type ManifestWriterConfig } from '../create-manifest-writer.ts';
import { committer, deployIntent, gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { startGitHttpServer } from '../gitops-http-server.ts';
import { type CredentialsProvider, createRemoteAccess } from './remote-access.ts';

const run = promisify(execFile);
const secret = 'ghs_verySecretToken0123456789';
const soon = { retryFirstMs: 10, retryMaxMs: 50 };

async function httpFixture(t: TestContext, allows?: (username: string, password: string) => boolean) {
  const gitops = await gitopsFixture(t);
  const server = await startGitHttpServer({ root: gitops.folder, path: searchPath, allows });
  t.after(() => server[Symbol.asyncDispose]());
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  async function writer(config: Partial<ManifestWriterConfig> = {}) {
    const made = await createManifestWriter(
      {
        remoteUrl: `${server.url}/gitops.git`,
        clonePath: join(gitops.folder, 'clone', 'writer.git'),
        branch: 'main',
        committer,
        namespace: 'openfaas-fn',
        path: searchPath,
        limits: soon,
        ...config,
      },
      { logger },
    );
    t.after(() => made[Symbol.asyncDispose]());
    return made;
  }
  return { gitops, server, lines, writer };
}

/** Of every process that runs now; Linux only. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' '));
}

async function filesWith(folder: string, text: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(text)) found.push(path);
  }
  return found;
}

test('a token reaches the remote and nothing else: no argument, no URL, no log, no file', async (t) => {
  const { gitops, server, lines, writer } = await httpFixture(
    t,
    (name, word) => name === 'bot' && word === secret,
  );
  const [marker, release] = [join(gitops.folder, 'pushing'), join(gitops.folder, 'release')];
  const hook = `#!/bin/sh\ntouch ${marker}; until [ -e ${release} ]; do sleep 0.02; done\n`;
  await writeFile(join(gitops.remote, 'hooks', 'pre-receive'), hook, { mode: 0o755 });
  const credentials: CredentialsProvider = async () => ({ username: 'bot', password: secret });
  const towline = await writer({ access: { credentials } });
  const outcome = towline.deploy(deployIntent());
  for (;;) {
    const there = await access(marker).then(
      () => true,
      () => false,
    );
    if (there) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const running = await commandLines();
  assert.ok(
    running.some((line) => /git send-pack/.test(line) && line.includes('gitops')),
    'the push is running',
  );
  assert.deepEqual(
    running.filter((line) => line.includes(secret)),
    [],
  );
  await writeFile(release, '');
  assert.equal((await outcome).type, 'pushed');
  assert.ok(server.requests.some((one) => one.status === 200 && one.authorization !== undefined));
  assert.ok(server.requests.every(({ path }) => !path.includes(secret)));
  assert.deepEqual(
    lines.filter((line) => line.includes(secret)),
    [],
  );
  assert.deepEqual(await filesWith(join(gitops.folder, 'clone'), secret), []);
});

test('a refused token is asked for anew, once; the new one is used', async (t) => {
  let valid = 'first';
  const { writer } = await httpFixture(t, (_, word) => word === valid);
  const asked: boolean[] = [];
  let current = 'first';
  const credentials: CredentialsProvider = async ({ rejected }) => {
    asked.push(rejected);
    if (rejected) current = valid;
    return { username: 'x-access-token', password: current };
  };
  const towline = await writer({ access: { credentials } });
  assert.equal((await towline.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  assert.ok(asked.every((rejected) => !rejected));
  valid = 'second';
  asked.length = 0;
  assert.equal((await towline.deploy(deployIntent({ source: '2' }))).type, 'pushed');
  assert.equal(asked.filter((rejected) => rejected).length, 1);
});

test('without a right token deploys wait and say why, and go through once there is one', async (t) => {
  const { lines, writer } = await httpFixture(t, (_, word) => word === secret);
  let password = secret;
  const credentials: CredentialsProvider = async () => ({ username: 'bot', password });
  const towline = await writer({ access: { credentials } });
  password = 'wrong-and-also-secret';
  const waits: (string | undefined)[] = [];
  const waiting = Promise.withResolvers<void>();
  const outcome = towline.deploy(deployIntent(), undefined, {
    onWaiting(delay) {
      waits.push(delay?.message);
      if (delay) waiting.resolve();
    },
  });
  await waiting.promise;
  assert.match(waits[0] ?? '', /does not accept the writer's credentials/);
  password = secret;
  assert.equal((await outcome).type, 'pushed');
  assert.equal(waits.at(-1), undefined);
  assert.equal(lines.join().includes('wrong-and-also-secret'), false);
});

test('a redirect does not carry the token to another host', async (t) => {
  const seen: (string | undefined)[] = [];
  const elsewhere = createServer((incoming, outgoing) => {
    seen.push(incoming.headers.authorization);
    outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="evil"' }).end();
  }).listen(0, '127.0.0.1');
  const front = createServer((incoming, outgoing) => {
    const { port } = elsewhere.address() as AddressInfo;
    outgoing.writeHead(302, { location: `http://127.0.0.1:${port}${incoming.url}` }).end();
  }).listen(0, '127.0.0.1');
  await Promise.all([once(elsewhere, 'listening'), once(front, 'listening')]);
  t.after(() => [elsewhere, front].map((one) => one.close()));
  const { writer } = await httpFixture(t);
  const { port } = front.address() as AddressInfo;
  const credentials: CredentialsProvider = async () => ({ username: 'bot', password: secret });
  const towline = await writer({ remoteUrl: `http://127.0.0.1:${port}/gitops.git`, access: { credentials } });
  await assert.rejects(
    towline.deploy(deployIntent()),
    (error) => error instanceof TowlineError && error.code === 'remote_unavailable',
  );
  assert.deepEqual(seen, []);
});

test('the remote is reached through a proxy', async (t) => {
  const { gitops, lines, server, writer } = await httpFixture(t);
  const seen: string[] = [];
  const proxy = createServer((incoming, outgoing) => {
    seen.push(`${incoming.headers['proxy-authorization']}`);
    if (incoming.headers['proxy-authorization'] === undefined) {
      outgoing.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end();
      return;
    }
    const url = new URL(incoming.url ?? '');
    const { method, headers } = incoming;
    const target = `http://127.0.0.1:${server.port}${url.pathname}${url.search}`;
    const onward = request(target, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const { port } = proxy.address() as AddressInfo;
  const towline = await writer({
    // A name that only the proxy can make something of.
    remoteUrl: 'http://git.example.invalid/gitops.git',
    access: { proxy: `http://towline:${secret}@127.0.0.1:${port}` },
  });
  assert.equal((await towline.deploy(deployIntent())).type, 'pushed');
  const login = `Basic ${Buffer.from(`towline:${secret}`).toString('base64')}`;
  assert.ok(seen.includes(login));
  assert.equal(lines.join().includes(secret), false);
  assert.deepEqual(await filesWith(join(gitops.folder, 'clone'), secret), []);
});

test('over SSH with one key, one list of hosts and no questions', async (t) => {
  const gitops = await gitopsFixture(t);
  const bin = join(gitops.folder, 'bin');
  const [keyPath, knownHostsPath] = [
    join(gitops.folder, "my 9% 'key"),
    join(gitops.folder, 'known 50% hosts'),
  ];
  await mkdir(bin);
  // In the place of ssh: notes what it was told, then does what the server's shell would do.
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" >> ${bin}/asked\nfor last; do :; done\nexec sh -c "$last"\n`;
  await writeFile(join(bin, 'ssh'), script, { mode: 0o755 });
  const towline = await gitops.writer({
    remoteUrl: `ssh://git@git.example.org${gitops.remote}`,
    path: `${bin}:${searchPath}`,
    access: { ssh: { keyPath, knownHostsPath } },
  });
  assert.equal((await towline.deploy(deployIntent())).type, 'pushed');
  const asked = (await readFile(join(bin, 'asked'), 'utf8')).split('\n');
  assert.ok(asked.includes('git@git.example.org'));
  const end = asked.indexOf('git@git.example.org');
  const options = asked.slice(0, end).filter((word) => word !== '-o SendEnv=GIT_PROTOCOL');
  const resolved = (await run('ssh', ['-G', ...options, 'git.example.org'])).stdout;
  for (const line of [
    'batchmode yes',
    'identitiesonly yes',
    'stricthostkeychecking true',
    'identityagent none',
  ]) {
    assert.ok(resolved.includes(line), line);
  }
  assert.ok(resolved.includes(`identityfile ${keyPath.replaceAll('%', '%%')}`));
  assert.ok(resolved.includes(`userknownhostsfile ${knownHostsPath}`));
});

test('credentials where they could be read are refused', () => {
  const credentials: CredentialsProvider = async () => ({ username: 'a', password: 'b' });
  const refusals: [string, Parameters<typeof createRemoteAccess>[1]][] = [
    ['https://user:pass@git.example.org/x.git', {}],
    ['https://token@git.example.org/x.git', {}],
    ['ssh://git:pass@git.example.org/x.git', {}],
    ['http://git.example.org/x.git', { credentials }],
    ['/data/x.git', { credentials }],
    ['ssh://git@git.example.org/x.git', { ssh: { keyPath: 'key', knownHostsPath: '/known' } }],
    ['ssh://git@git.example.org/x.git', { ssh: { keyPath: '/key', knownHostsPath: '/a"b' } }],
  ];
  for (const [url, config] of refusals) {
    assert.throws(
      () => createRemoteAccess(url, config),
      (error) =>
        error instanceof TowlineError && error.code === 'config_invalid' && !error.message.includes('pass@'),
      url,
    );
  }
  assert.ok(createRemoteAccess('git@git.example.org:x/y.git', {}));
});

test('a token that would say more than one line to git is not given to it', async () => {
  const credentials: CredentialsProvider = async () => ({ username: 'a', password: 'b\nhost=evil' });
  const made = createRemoteAccess('https://git.example.org/x.git', { credentials });
  await assert.rejects(made.variables(false, new AbortController().signal), /one line each/);
});
