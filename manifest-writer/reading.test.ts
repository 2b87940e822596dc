import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { alice, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const isNotFound = (error: unknown) => error instanceof TowlineError && error.code === 'not_found';

test('a person’s plain git revert, and the revert of it, are seen for what they are', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const source of ['1', '2']) await writer.deploy(deployIntent({ source }));
  const person = await gitops.person();
  await person.git('revert', '--no-edit', 'HEAD');
  await person.git('push', '--quiet');
  await person.git('revert', '--no-edit', 'HEAD');
  await person.git('push', '--quiet');
  const [again, undone, two, one] = await writer.history(hello);
  assert.deepEqual(
    [again, undone].map((entry) => [
      entry?.kind,
      entry?.direct,
      entry?.restores,
      entry?.reverts,
      entry?.image,
    ]),
    [
      ['revert', true, 2, undone?.commit, two?.image],
      ['revert', true, 1, two?.commit, one?.image],
    ],
  );
  assert.deepEqual([two?.revertedBy, undone?.revertedBy, one?.revertedBy], [3, 4, null]);
  assert.deepEqual(again?.author, { name: 'Olga Operator', email: 'olga@example.org' });
  assert.deepEqual([again?.current, two?.current], [true, false]);
  const skipped = await writer.deploy(deployIntent({ source: '1', trigger: 'rebuild' }));
  assert.equal(skipped.type, 'skipped');
});

test('one commit that takes back several functions is one entry for each', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const functionName of ['a', 'b']) await writer.deploy(deployIntent({ functionName, source: '1' }));
  for (const functionName of ['a', 'b']) await writer.deploy(deployIntent({ functionName, source: '2' }));
  const person = await gitops.person();
  await person.git('revert', '--no-commit', 'HEAD', 'HEAD~1');
  await person.git('commit', '--quiet', '-m', 'Back to what worked');
  await person.git('push', '--quiet');
  const entries = (await writer.history({ owner: 'alice' })).slice(0, 2);
  assert.deepEqual(
    entries.map(({ functionName, kind, number, restores, direct }) => [
      functionName,
      kind,
      number,
      restores,
      direct,
    ]),
    [
      ['a', 'revert', 3, 1, true],
      ['b', 'revert', 3, 1, true],
    ],
  );
  assert.equal(new Set(entries.map((entry) => entry.commit)).size, 1);
});

test('a direct edit, a direct deletion and a lie about a revert are told apart', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const source of ['1', '2']) await writer.deploy(deployIntent({ source }));
  const [two] = await writer.history(hello);
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('GREETING: hello', 'GREETING: ciao'));
  await person.git('commit', '--quiet', '-am', `Say ciao\n\nThis reverts commit ${'a'.repeat(40)}.`);
  await person.git('rm', '--quiet', file);
  await person.git('commit', '--quiet', '-m', 'Away with it');
  await person.git('push', '--quiet');
  const [gone, edit] = await writer.history(hello);
  assert.deepEqual([edit?.kind, edit?.direct, edit?.restores, edit?.reverts], ['edit', true, null, null]);
  assert.deepEqual([edit?.image, edit?.sourceCommit], [two?.image, sha('2')]);
  assert.deepEqual([gone?.kind, gone?.direct, gone?.present], ['remove', true, false]);
  assert.deepEqual(await writer.current('alice'), []);
});

test('numbers count every commit of the file, and a new deploy goes on from there', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1' }));
  const person = await gitops.person();
  await person.git('revert', '--no-edit', 'HEAD');
  await person.git('commit', '--quiet', '--allow-empty', '-m', 'nothing');
  await person.git('push', '--quiet');
  const next = await writer.deploy(deployIntent({ source: '2' }));
  assert.equal(next.type === 'pushed' && next.written[0]?.number, 3);
  const entries = await writer.history(hello);
  assert.deepEqual(
    entries.map((entry) => [entry.number, entry.kind]),
    [
      [3, 'deploy'],
      [2, 'remove'],
      [1, 'deploy'],
    ],
  );
  assert.equal(entries[1]?.reverts, entries[2]?.commit);
  assert.equal(entries[2]?.revertedBy, 2);
});

test('history is paged, and a page begins after any commit', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await Promise.all([...'12345'].map((source) => writer.deploy(deployIntent({ source }))));
  const all = await writer.history(hello);
  const first = await writer.history({ ...hello, limit: 2 });
  const rest = await writer.history({ ...hello, before: first.at(-1)!.commit });
  assert.deepEqual([...first, ...rest], all);
  assert.deepEqual(await writer.history({ ...hello, before: sha('f') }), []);
  assert.deepEqual(await writer.history({ owner: 'alice', functionName: '../bob/x' }), []);
  assert.deepEqual(await writer.history({ owner: 'nobody' }), []);
});

test('a diff is git’s own, with the changes in words', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1', environment: { OLD: 'x', SAME: 's' } }));
  await writer.deploy(
    deployIntent({ source: '2', environment: { NEW: 'y', SAME: 's' }, labels: { team: 'red' } }),
  );
  const [two, one] = await writer.history(hello);
  const diff = await writer.diff({ ...hello, from: null, to: two!.commit });
  assert.equal(diff.from, one?.commit);
  assert.match(diff.unified, /^diff --git a\/tenants\/alice\/hello.yaml/);
  assert.match(diff.unified, /^-\s+OLD: x$/m);
  assert.deepEqual(diff.summary, [
    'image 1111111 → 2222222',
    'source 1111111 → 2222222',
    'env NEW added',
    'env OLD removed',
    'label team added',
  ]);
  const made = await writer.diff({ ...hello, from: null, to: one!.commit });
  assert.deepEqual(made.summary, ['created', 'image 1111111']);
  await assert.rejects(writer.diff({ ...hello, from: null, to: sha('e') }), isNotFound);
  await assert.rejects(
    writer.diff({ ...hello, functionName: 'no', from: null, to: two!.commit }),
    isNotFound,
  );
});

test('a manifest is read only from commits of the branch', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const before = await gitops.remoteHead();
  await writer.deploy(deployIntent());
  for (const commit of [before, sha('e'), 'main', '--output=/tmp/x', `${before}^{tree}`]) {
    await assert.rejects(writer.at({ ...hello, commit }), isNotFound, commit);
  }
  await assert.rejects(
    writer.at({ owner: 'alice', functionName: '../../README', commit: await gitops.remoteHead() }),
    isNotFound,
  );
});

test('current functions name their repository, and leave out what is no function', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ repo: 'Greetings.v2' }));
  await writer.deploy(deployIntent({ owner: 'bob', functionName: 'hi', actor: { ...alice, login: 'bob' } }));
  const person = await gitops.person();
  await writeFile(join(person.path, 'tenants/bob/broken.yaml'), 'a: [');
  await writeFile(join(person.path, 'tenants/bob/Not-A-Name.yaml'), 'a: 1\n');
  await writeFile(join(person.path, 'tenants/bob/notes.txt'), 'hello\n');
  await person.git('add', '.');
  await person.git('commit', '--quiet', '-m', 'By hand');
  await person.git('push', '--quiet');
  assert.deepEqual(
    (await writer.current()).map((one) => [one.owner, one.functionName, one.repo]),
    [
      ['alice', 'hello', 'Greetings.v2'],
      ['bob', 'broken', null],
      ['bob', 'hi', 'greetings'],
    ],
  );
  assert.equal((await writer.current('bob'))[0]?.path, 'tenants/bob/broken.yaml');
  assert.deepEqual(await writer.current('..'), []);
});
