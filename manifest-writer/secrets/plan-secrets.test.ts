import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SecretsIntent } from '../../core/manifest-writer.ts';
import { alice, deployIntent, gitopsFixture, sha } from '../gitops-fixture.ts';
import { sealed, sops } from './secrets-fixture.ts';

function intent(documents: string, changes: Partial<SecretsIntent> = {}): SecretsIntent {
  const owner = changes.owner ?? 'alice';
  const repo = 'greetings';
  return {
    owner,
    ownerId: `id-of-${owner}`,
    repo,
    sourceCommit: sha('1'),
    documents,
    actor: alice,
    ...changes,
  };
}

test('secrets come, change and go with their secrets.yml, one commit each, beside the functions', async (t) => {
  const { writer: start, person, remoteHead } = await gitopsFixture(t);
  const writer = await start();
  await writer.deploy(deployIntent());
  const two = `${sealed('alice-key')}---\n${sops('alice-token')}`;
  const added = await writer.secrets(intent(two));
  assert.ok(added.type === 'pushed');
  assert.equal((await writer.secrets(intent(two))).type, 'unchanged');
  assert.equal(await remoteHead(), added.commit);
  await writer.secrets(
    intent(sops('alice-token'), { actor: { ...alice, name: 'Bob\nTowline-Kind: deploy' } }),
  );
  const olga = await person();
  assert.equal(
    await olga.git('ls-files', 'tenants/alice/*.secret.yaml'),
    'tenants/alice/alice-token.secret.yaml\n',
  );
  const subjects = (await olga.git('log', '-2', '--format=%s')).trim().split('\n');
  assert.deepEqual(subjects, [
    'secrets(alice/greetings): remove alice-key',
    'secrets(alice/greetings): add alice-key, add alice-token',
  ]);
  assert.equal(
    (await olga.git('log', '-1', '--format=%(trailers:key=Towline-Kind,valueonly)')).trim(),
    'secrets',
  );
  const functions = await writer.current('alice');
  assert.deepEqual(
    functions.map(({ functionName }) => functionName),
    ['hello'],
  );
  assert.equal((await writer.history({ owner: 'alice' })).length, 1);
  await writer.secrets(intent(''));
  await olga.git('pull', '--quiet');
  assert.equal(await olga.git('ls-files', 'tenants/alice/*.secret.yaml'), '');
});

test('another repository of the owner keeps its secrets, and its names', async (t) => {
  const { writer: start, person } = await gitopsFixture(t);
  const writer = await start();
  await writer.secrets(intent(sealed('alice-key')));
  const other = await writer.secrets(intent(sops('alice-key'), { repo: 'other' }));
  assert.ok(other.type === 'refused' && other.code === 'name_taken');
  assert.match(other.message, /repository "greetings"/);
  assert.equal((await writer.secrets(intent(sops('alice-other'), { repo: 'other' }))).type, 'pushed');
  await writer.secrets(intent('', { repo: 'other' }));
  const olga = await person();
  assert.equal(
    await olga.git('ls-files', 'tenants/alice/*.secret.yaml'),
    'tenants/alice/alice-key.secret.yaml\n',
  );
});

test('a secret’s object name is claimed across owners, and a function cannot mount another owner’s', async (t) => {
  const { writer: start, remoteHead } = await gitopsFixture(t);
  const writer = await start();
  await writer.secrets(intent(sealed('a-b-c'), { owner: 'a-b' }));
  const head = await remoteHead();
  const second = await writer.secrets(intent(sealed('a-b-c'), { owner: 'a' }));
  assert.ok(second.type === 'refused' && second.code === 'name_taken');
  assert.doesNotMatch(second.message, /"a-b"|owner a-b|tenants/);
  const thief = deployIntent({ owner: 'a', functionName: 'x' });
  thief.spec.secrets = ['b-c'];
  const stolen = await writer.deploy(thief);
  assert.ok(stolen.type === 'refused' && stolen.code === 'manifest_refused');
  assert.match(stolen.message, /secret "a-b-c" is not one of this owner's/);
  const rightful = deployIntent({ owner: 'a-b', functionName: 'x' });
  rightful.spec.secrets = ['c'];
  assert.equal(await remoteHead(), head);
  assert.equal((await writer.deploy(rightful)).type, 'pushed');
});

test('somebody else who was given the slug cannot touch the secrets; a plain Secret changes nothing', async (t) => {
  const { writer: start, remoteHead } = await gitopsFixture(t);
  const writer = await start();
  await writer.secrets(intent(sealed('alice-key')));
  const head = await remoteHead();
  const other = await writer.secrets(intent('', { ownerId: 'another' }));
  assert.ok(other.type === 'refused' && other.code === 'name_taken');
  const plain = 'apiVersion: v1\nkind: Secret\nmetadata: {name: alice-key}\ndata: {a: aHVudGVyMg==}\n';
  const refused = await writer.secrets(intent(`${sealed('alice-key')}---\n${plain}`));
  assert.ok(refused.type === 'refused' && refused.code === 'manifest_refused');
  assert.match(refused.message, /^secrets\.yml: line \d+: it is not encrypted/);
  assert.equal((await writer.secrets(intent('', { owner: '../x' }))).type, 'refused');
  assert.equal((await writer.secrets(intent('', { repo: 'a\nb' }))).type, 'refused');
  assert.equal(await remoteHead(), head);
});

test('a Secret that somebody forgot to encrypt is refused before anything of it is kept on the disk', async (t) => {
  const { writer: start, folder } = await gitopsFixture(t);
  const writer = await start();
  const word = 'correct-horse-battery';
  const plain = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: alice-key\nstringData:\n  key: ${word}\n`;
  const refused = await writer.secrets(intent(plain));
  assert.ok(refused.type === 'refused' && refused.code === 'manifest_refused');
  assert.match(refused.message, /it is not encrypted; a plain Secret can be read/);
  const nowhere = await writer.secrets(intent(plain, { environment: 'nowhere' }));
  assert.ok(nowhere.type === 'refused' && nowhere.code === 'not_found');
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const file of files.filter((one) => one.isFile())) {
    const bytes = await readFile(join(file.parentPath, file.name));
    assert.ok(!bytes.includes(word), file.name);
  }
  assert.ok(files.some(({ name }) => name === 'writer.git.intents.db-wal'));
});
