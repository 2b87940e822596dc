import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { createEnvironments } from './environments/environments.ts';
import { alice, type DeployChanges, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

const hello = { owner: 'alice', functionName: 'hello' };
const environments = [
  { name: 'staging', branches: ['main'], namespace: 'staging-fn' },
  { name: 'default', branches: ['release/*'], tags: ['v*'], promotesFrom: 'staging' },
];
const staged = (changes: DeployChanges = {}) => ({ ...deployIntent(changes), environment: 'staging' });
const promotion = { ...hello, from: 'staging', to: 'default', reason: 'tested', actor: alice };

test('a promotion is the same image and configuration in another environment, and says where it comes from', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  for (const source of ['1', '2']) {
    const outcome = await writer.deploy(staged({ source, environment: { LEVEL: source } }));
    assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  }
  assert.deepEqual(await writer.history(hello), [], 'the environments have histories of their own');
  const outcome = await writer.promote(promotion);
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  assert.deepEqual('written' in outcome && outcome.written, [{ functionName: 'hello', number: 1 }]);
  const [entry] = await writer.history(hello);
  const [origin] = await writer.history({ ...hello, environment: 'staging' });
  assert.deepEqual([entry?.kind, entry?.image, entry?.sourceCommit], ['promote', origin?.image, sha('2')]);
  assert.equal(entry?.reason, 'promoted from staging #2: tested');
  assert.equal(origin?.environment, 'staging');
  const text = await writer.at({ ...hello, commit: entry!.commit });
  const there = await gitops.git(gitops.remote, 'show', 'main:environments/staging/tenants/alice/hello.yaml');
  assert.equal(text, there.replace('namespace: staging-fn', 'namespace: openfaas-fn'));
  const files = await gitops.git(
    gitops.remote,
    'ls-tree',
    '-r',
    '--name-only',
    'main',
    'tenants',
    'environments',
  );
  assert.deepEqual(files.trim().split('\n'), [
    'environments/staging/tenants/alice/hello.yaml',
    'environments/staging/tenants/alice/tenant.yaml',
    'tenants/.gitkeep',
    'tenants/alice/hello.yaml',
    'tenants/alice/tenant.yaml',
  ]);
  assert.equal((await writer.promote(promotion)).type, 'unchanged');
  const older = (await writer.history({ ...hello, environment: 'staging' })).at(-1)!;
  assert.equal((await writer.promote({ ...promotion, commit: older.commit })).type, 'pushed');
  assert.equal((await writer.history(hello))[0]?.sourceCommit, sha('1'));
});

test('a promotion keeps to the other environment’s names, holds and policy', async (t) => {
  const gitops = await gitopsFixture(t);
  const strict = { name: 'strict', policy: { limits: { memory: { max: '64Mi' } } } };
  const writer = await gitops.writer({ environments: [...environments, strict] });
  assert.equal((await writer.deploy(staged({ ownerId: '17' }))).type, 'pushed');
  const refusal = await writer.promote({ ...promotion, to: 'strict' });
  assert.match(refusal.type === 'refused' ? refusal.message : '', /policy of "strict"/);
  const nowhere = await writer.promote({ ...promotion, to: 'moon' });
  assert.match(
    nowhere.type === 'refused' ? nowhere.message : '',
    /no environment "moon"; there is staging, default/,
  );
  const nothing = await writer.promote({ ...promotion, functionName: 'other' });
  assert.equal(nothing.type === 'refused' && nothing.code, 'not_found');
  assert.equal((await writer.deploy(deployIntent({ functionName: 'x', ownerId: '18' }))).type, 'pushed');
  const taken = await writer.promote(promotion);
  assert.equal(taken.type === 'refused' && taken.code, 'name_taken', 'the folder is another account’s there');
});

test('a held function is not promoted over', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  await writer.deploy(staged());
  await writer.promote(promotion);
  await writer.hold({ ...hello, reason: 'audit', actor: alice });
  await writer.deploy(staged({ source: '2' }));
  const outcome = await writer.promote(promotion);
  assert.match(outcome.type === 'held' ? outcome.reason : '', /held by alice .* audit/);
});

test('refs of a source repository find their environment', () => {
  const configured = createEnvironments(environments);
  assert.deepEqual(configured.forRef('refs/heads/main'), { way: 'deploy', environment: 'staging' });
  assert.deepEqual(configured.forRef('refs/heads/release/1'), { way: 'deploy', environment: 'default' });
  assert.deepEqual(configured.forRef('refs/tags/v1.2'), {
    way: 'promote',
    from: 'staging',
    environment: 'default',
  });
  for (const ref of ['refs/heads/topic', 'refs/tags/x', 'refs/notes/v1', 'main', '']) {
    assert.equal(configured.forRef(ref), undefined, ref);
  }
  assert.deepEqual(createEnvironments().forRef('refs/heads/a/b'), { way: 'deploy', environment: 'default' });
  for (const bad of [
    [{ name: '../x' }],
    [{ name: 'a' }, { name: 'a' }],
    [{ name: 'a', promotesFrom: 'b' }],
    [{ name: 'a', policy: { nonsense: 1 } }],
  ]) {
    assert.throws(
      () => createEnvironments(bad),
      (error) => error instanceof TowlineError && error.code === 'config_invalid',
    );
  }
});
