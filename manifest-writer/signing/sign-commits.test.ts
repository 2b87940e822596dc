import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gitConfigEnvironment, gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { deployIntent, gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { createSshSigner } from './ssh-signer.ts';

const run = promisify(execFile);

async function temporary(t: { after(done: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'towline-signing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function sshKey(folder: string, ...options: string[]) {
  const path = join(folder, `key-${options.join('-')}`);
  await run('ssh-keygen', ['-q', '-N', '', '-C', 'towline', '-f', path, ...options]);
  return { path, text: await readFile(path, 'utf8'), publicKey: await readFile(`${path}.pub`, 'utf8') };
}

for (const options of [
  ['-t', 'ed25519'],
  ['-t', 'rsa', '-b', '2048'],
  ['-t', 'ecdsa', '-b', '256'],
  ['-t', 'ecdsa', '-b', '521'],
]) {
  test(`ssh-keygen accepts what a key of ssh-keygen ${options.join(' ')} signs`, async (t) => {
    const folder = await temporary(t);
    const key = await sshKey(folder, ...options);
    const signer = createSshSigner(key.text);
    assert.ok(key.publicKey.startsWith(signer.publicKey));
    const allowed = join(folder, 'allowed');
    await writeFile(allowed, `towline@towline.invalid ${signer.publicKey}\n`);
    for (const text of ['', 'hello', 'ä\0\n'.repeat(1000)]) {
      await writeFile(join(folder, 'sig'), `${signer.sign(Buffer.from(text))}\n`);
      const verify = ['-Y', 'verify', '-n', 'git', '-I', 'towline@towline.invalid', '-f', allowed];
      const child = run('ssh-keygen', [...verify, '-s', join(folder, 'sig')]);
      child.child.stdin?.end(text);
      assert.match((await child).stdout, /Good "git" signature/);
    }
  });
}

test('every commit of a batch is signed, and git verifies each; the key is nowhere below the clone', async (t) => {
  const gitops = await gitopsFixture(t);
  const folder = await temporary(t);
  const key = await sshKey(folder, '-t', 'ed25519');
  const writer = await gitops.writer({ signingKey: key.text });
  const names = ['a', 'b', 'c', 'd', 'e'];
  const first = await writer.deploy(deployIntent({ functionName: 'first' }));
  const outcomes = await Promise.all(
    names.map((functionName) => writer.deploy(deployIntent({ functionName }))),
  );
  assert.ok([first, ...outcomes].every((one) => one.type === 'pushed'));
  const allowed = join(folder, 'allowed');
  await writeFile(allowed, `towline@towline.invalid ${key.publicKey}`);
  const config = gitConfigEnvironment({ 'gpg.format': 'ssh', 'gpg.ssh.allowedSignersFile': allowed });
  const env = gitEnvironment(searchPath, { ...config, GIT_DIR: gitops.remote });
  const args = ['log', '-6', '--format=%G? %GS %s', 'main'];
  const log = (await gitOutput({ args, env })).trim().split('\n');
  assert.equal(log.length, 6);
  for (const line of log) assert.match(line, /^G towline@towline\.invalid deploy\(alice/);
  const commit = 'commit' in first ? first.commit : '';
  await gitOutput({ args: ['verify-commit', commit], env });
  await gitOutput({ args: ['fsck', '--strict'], env });
  const secret = key.text.split('\n')[3] ?? '';
  assert.ok(secret.length > 20);
  const files = await readdir(gitops.folder, { recursive: true, withFileTypes: true });
  for (const file of files.filter((one) => one.isFile())) {
    const content = await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0));
    assert.equal(content.includes(secret), false, file.name);
  }
});

test('a changed commit no longer verifies', async (t) => {
  const gitops = await gitopsFixture(t);
  const folder = await temporary(t);
  const key = await sshKey(folder, '-t', 'ed25519');
  const writer = await gitops.writer({ signingKey: key.text });
  const outcome = await writer.deploy(deployIntent());
  assert.ok(outcome.type === 'pushed');
  const env = gitEnvironment(searchPath, { GIT_DIR: gitops.remote });
  const text = await gitOutput({ args: ['cat-file', 'commit', outcome.commit], env });
  const forged = text.replace('deploy(alice/hello)', 'deploy(alice/other)');
  assert.notEqual(forged, text);
  const args = ['hash-object', '-t', 'commit', '-w', '--stdin'];
  const id = (await gitOutput({ args, env, input: forged })).trim();
  const allowed = join(folder, 'allowed');
  await writeFile(allowed, `towline@towline.invalid ${key.publicKey}`);
  const config = gitConfigEnvironment({ 'gpg.format': 'ssh', 'gpg.ssh.allowedSignersFile': allowed });
  const verifying = { ...env, ...config };
  await gitOutput({ args: ['verify-commit', outcome.commit], env: verifying });
  await assert.rejects(gitOutput({ args: ['verify-commit', id], env: verifying }));
});

test('keys that cannot sign are refused without a word of them', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'secret');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'a pass phrase', '-f', path]);
  const withPassphrase = await readFile(path, 'utf8');
  const x25519 = generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const good = (await sshKey(folder, '-t', 'ed25519')).text;
  const cut = good.replace(/\n[^\n]+\n-----END/, '\n-----END');
  for (const text of [withPassphrase, x25519, cut, 'not a key', '', good.replace('OPENSSH', 'OPENSHH')]) {
    assert.throws(
      () => createSshSigner(text),
      (error: Error) => /signing key|type of key/.test(error.message) && !error.message.includes('b3Blbn'),
    );
  }
});

test('a PEM key signs too', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const signer = createSshSigner(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  assert.match(signer.publicKey, /^ssh-ed25519 AAAA/);
});
