import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManifestWriter, WriteOutcome } from '../core/manifest-writer.ts';
import { alice, type DeployChanges, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const inStaging = { ...hello, environment: 'staging' };
const environments = [{ name: 'staging', branches: ['staging'], namespace: 'staging-fn' }];
const staged = (changes: DeployChanges = {}) => ({ ...deployIntent(changes), environment: 'staging' });
const asked = { reason: 'test', actor: alice };

function commitOf(outcome: WriteOutcome): string {
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  return 'commit' in outcome ? outcome.commit : '';
}

const sources = async (writer: ManifestWriter, place: typeof hello) =>
  (await writer.history(place)).map(({ kind, sourceCommit }) => `${kind} ${sourceCommit?.[0]}`);

test('a hold, a rollback and its undo change one environment alone', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  commitOf(await writer.deploy(deployIntent({ source: '1' })));
  const first = commitOf(await writer.deploy(staged({ source: '2' })));
  commitOf(await writer.deploy(staged({ source: '3' })));

  const held = commitOf(await writer.hold({ ...inStaging, ...asked }));
  assert.match(
    await gitops.git(gitops.remote, 'log', '-1', '--format=%B', held),
    /^hold\(alice\/hello in staging\): #3 /,
  );
  assert.equal((await writer.deploy(staged({ source: '4' }))).type, 'held');
  commitOf(await writer.deploy(deployIntent({ source: '4' })));
  commitOf(await writer.resume({ ...inStaging, ...asked }));
  while ((await writer.history(inStaging)).length < 5)
    await new Promise((resolve) => setTimeout(resolve, 20));

  const reverted = commitOf(await writer.revert({ ...inStaging, ...asked, toCommit: first }));
  assert.deepEqual((await sources(writer, inStaging)).slice(0, 2), ['revert 2', 'deploy 4']);
  commitOf(await writer.undo({ ...inStaging, ...asked, commit: reverted }));
  assert.deepEqual(await sources(writer, inStaging), [
    'revert 4',
    'revert 2',
    'deploy 4',
    'resume 3',
    'hold 3',
    'deploy 3',
    'deploy 2',
  ]);
  assert.deepEqual(await sources(writer, hello), ['deploy 4', 'deploy 1']);
  const elsewhere = await writer.undo({ ...hello, ...asked, commit: reverted });
  assert.equal(elsewhere.type === 'refused' && elsewhere.code, 'not_found');
});

test('what is read is one environment\u2019s', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  commitOf(await writer.deploy(deployIntent({ source: '1' })));
  commitOf(await writer.deploy(staged({ source: '1' })));
  const commit = commitOf(await writer.deploy(staged({ source: '2' })));
  const diff = await writer.diff({ ...inStaging, from: null, to: commit });
  assert.deepEqual(diff.summary, ['image 1111111 → 2222222', 'source 1111111 → 2222222']);
  assert.match(
    await writer.at({ ...inStaging, commit }),
    new RegExp(`${sha('2')}[^]*namespace: staging-fn|namespace: staging-fn`),
  );
  assert.match(await writer.at({ ...hello, commit }), /namespace: openfaas-fn/);
  assert.deepEqual(
    (await writer.current('alice', 'staging')).map(({ path, environment }) => [path, environment]),
    [['environments/staging/tenants/alice/hello.yaml', 'staging']],
  );
  assert.deepEqual(
    (await writer.current()).map(({ path }) => path),
    ['tenants/alice/hello.yaml'],
  );
  assert.deepEqual(await writer.current('alice', '../x'), []);
  assert.deepEqual(await writer.current(undefined, 'moon'), []);
  await assert.rejects(writer.at({ ...hello, environment: '../tenants', commit }), { code: 'not_found' });
});

test('functions are removed from one environment, and a large removal says from which', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  const functionNames = Array.from({ length: 27 }, (_, index) => `f${index}`);
  const deploys = functionNames.flatMap((functionName) => [
    deployIntent({ functionName }),
    staged({ functionName }),
  ]);
  await Promise.all(deploys.map((intent) => writer.deploy(intent)));
  const removal = { ...asked, owner: 'alice', ownerId: 'id-of-alice', repo: 'greetings', sourceCommit: null };
  const one = { ...removal, environment: 'staging', functionNames: ['f0'] };
  const commit = commitOf(await writer.remove(one));
  assert.match(
    await gitops.git(gitops.remote, 'log', '-1', '--format=%B', commit),
    /^remove\(alice\/f0 in staging\): #2 test\n/,
  );
  assert.equal((await writer.current('alice', 'staging')).length, 26);
  assert.equal((await writer.current('alice')).length, 27);

  const all = await writer.remove({
    ...removal,
    environment: 'staging',
    scope: 'repository',
    functionNames: [],
  });
  assert.equal(all.type, 'needs-confirmation');
  const [pending] = await writer.removals('id-of-alice');
  assert.equal(pending?.environment, 'staging');
  commitOf(await writer.confirmRemoval({ ownerId: 'id-of-alice', id: pending?.id ?? '', actor: alice }));
  assert.deepEqual(await writer.current('alice', 'staging'), []);
  assert.equal((await writer.current('alice')).length, 27);
});

test('an environment that is not configured is refused by name, whatever is asked', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  const commit = commitOf(await writer.deploy(deployIntent()));
  for (const environment of ['moon', '../tenants', '']) {
    const place = { ...hello, environment, ...asked };
    const outcomes = [
      await writer.deploy({ ...deployIntent(), environment }),
      await writer.hold(place),
      await writer.resume(place),
      await writer.revert({ ...place, toCommit: commit }),
      await writer.undo({ ...place, commit }),
      await writer.remove({ ...place, functionNames: ['hello'], repo: 'greetings', sourceCommit: null }),
      await writer.secrets({ ...place, ownerId: 'x', repo: 'greetings', sourceCommit: null, documents: '' }),
    ];
    for (const outcome of outcomes) {
      assert.equal(outcome.type === 'refused' && outcome.code, 'not_found', JSON.stringify(outcome));
      assert.match(
        outcome.type === 'refused' ? outcome.message : '',
        /there is no environment ".*"; there is staging, default/,
      );
    }
  }
});

test('two owners whose functions compute one object name are in two namespaces, in two environments', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments: [{ name: 'staging', branches: ['staging'] }] });
  commitOf(await writer.deploy(deployIntent({ owner: 'a-b', functionName: 'c' })));
  commitOf(await writer.deploy(staged({ owner: 'a', functionName: 'b-c' })));
  const objects = await gitops.git(
    gitops.remote,
    'grep',
    '-hE',
    '^  (name|namespace): ',
    'main',
    '--',
    '*/*-c.yaml',
    '*/c.yaml',
  );
  assert.deepEqual(
    objects
      .trim()
      .split('\n')
      .map((line) => line.trim()),
    [
      'name: a-b-c',
      'namespace: openfaas-fn-staging',
      'name: a-b-c',
      'name: a-b-c',
      'namespace: openfaas-fn',
      'name: a-b-c',
    ],
  );
  const taken = await writer.deploy(deployIntent({ owner: 'a', functionName: 'b-c' }));
  assert.equal(taken.type === 'refused' && taken.code, 'name_taken');
});
