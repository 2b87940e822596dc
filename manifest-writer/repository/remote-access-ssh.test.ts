import assert from 'node:assert/strict';
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { deployIntent, gitopsFixture } from '../gitops-fixture.ts';
import { makeKey, startSshServer } from './sshd-fixture.ts';

const soon = { retryFirstMs: 10, retryMaxMs: 50 };

/** A repository behind a real sshd that knows one key, and a writer's folder with that key and that host. */
async function sshFixture(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const sshd = await startSshServer(t, join(gitops.folder, 'sshd'));
  const [keyPath, knownHostsPath] = [
    join(gitops.folder, "my 9% 'key"),
    join(gitops.folder, 'known 50% hosts'),
  ];
  const publicKey = await makeKey(keyPath);
  const lines: string[] = [];
  await sshd.allow(publicKey);
  await writeFile(knownHostsPath, knownHost(sshd.port, sshd.hostKey));
  return {
    ...gitops,
    sshd,
    keyPath,
    knownHostsPath,
    publicKey,
    lines,
    overSsh: () =>
      gitops.writer(
        {
          remoteUrl: `ssh://${sshd.user}@127.0.0.1:${sshd.port}${gitops.remote}`,
          access: { ssh: { keyPath, knownHostsPath } },
          limits: soon,
        },
        Date.now,
        { logger: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }) },
      ),
  };
}

function knownHost(port: number, key: string): string {
  return `[127.0.0.1]:${port} ${key.split(' ').slice(0, 2).join(' ')}\n`;
}

type Fixture = Awaited<ReturnType<typeof sshFixture>>;

/** A deploy that must wait for `why` and goes through after `mend`. */
async function waitsUntil({ overSsh, git, remote }: Fixture, why: RegExp, mend: () => Promise<void>) {
  const writer = await overSsh();
  const waiting = Promise.withResolvers<string>();
  const outcome = writer.deploy(deployIntent(), undefined, {
    onWaiting: (delay) => delay && waiting.resolve(delay.message),
  });
  assert.match(await waiting.promise, why);
  assert.equal((await git(remote, 'log', '--format=%s', '-1', 'main')).startsWith('deploy('), false);
  await mend();
  assert.equal((await outcome).type, 'pushed');
}

test('over SSH to a real server: the key’s text is in no argument, environment, log or file of the clone', async (t) => {
  const fixture = await sshFixture(t);
  const { folder, remote, keyPath, overSsh, lines, sshd } = fixture;
  const [marker, release] = [join(folder, 'pushing'), join(folder, 'release')];
  const hook = `#!/bin/sh\ntouch ${marker}; until [ -e ${release} ]; do sleep 0.02; done\n`;
  await writeFile(join(remote, 'hooks', 'pre-receive'), hook, { mode: 0o755 });
  const writer = await overSsh();
  const outcome = writer.deploy(deployIntent());
  await there(marker);
  const running = await processTexts();
  await writeFile(release, '');
  assert.equal((await outcome).type, 'pushed');
  const ssh = running.filter((text) => text.startsWith('ssh\0') && text.includes(keyPath.slice(0, 10)));
  assert.ok(ssh.length > 0, 'ssh is running');
  assert.ok(ssh.every((text) => text.includes('StrictHostKeyChecking=yes')));
  const [, secret = ''] = (await readFile(keyPath, 'utf8')).split('\n');
  assert.ok(secret.length > 30);
  const clone = await readTexts(join(folder, 'writer.git'));
  for (const [what, texts] of Object.entries({ running, lines, clone, sshd: sshd.lines })) {
    assert.deepEqual(
      texts.filter((text) => text.includes(secret)),
      [],
      what,
    );
  }
  const again = await writer.deploy(deployIntent({ source: '2' }));
  assert.equal(again.type, 'pushed');
});

test('a host with another key than the known one is not talked to', async (t) => {
  const fixture = await sshFixture(t);
  const { folder, knownHostsPath, sshd, publicKey } = fixture;
  await writeFile(knownHostsPath, knownHost(sshd.port, await makeKey(join(folder, 'other'))));
  await waitsUntil(fixture, /on a host whose SSH key is not a known one/, async () => {
    assert.equal(sshd.lines.join('').includes('Accepted publickey'), false, publicKey);
    await writeFile(knownHostsPath, knownHost(sshd.port, sshd.hostKey));
  });
});

test('a host that nobody knows is not talked to, and does not become known by that', async (t) => {
  const fixture = await sshFixture(t);
  const { knownHostsPath, sshd } = fixture;
  await writeFile(knownHostsPath, '');
  await waitsUntil(fixture, /on a host whose SSH key is not a known one/, async () => {
    assert.equal(await readFile(knownHostsPath, 'utf8'), '');
    await writeFile(knownHostsPath, knownHost(sshd.port, sshd.hostKey));
  });
});

test('a key that the host does not take is named as the reason', async (t) => {
  const fixture = await sshFixture(t);
  const { folder, sshd, publicKey } = fixture;
  await sshd.allow(await makeKey(join(folder, 'other')));
  await waitsUntil(fixture, /does not accept the writer's credentials/, () => sshd.allow(publicKey));
});

test('a key that is not there is named as the reason', async (t) => {
  const fixture = await sshFixture(t);
  const { keyPath } = fixture;
  const key = await readFile(keyPath);
  await rm(keyPath);
  await waitsUntil(fixture, /does not accept the writer's credentials/, () =>
    writeFile(keyPath, key, { mode: 0o600 }),
  );
});

async function there(path: string): Promise<void> {
  for (;;) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Arguments and environments of all processes that may be looked into; Linux only. */
async function processTexts(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const files = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
  return await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
}

async function readTexts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')));
}
