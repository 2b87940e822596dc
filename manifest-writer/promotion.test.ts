import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { createEnvironments } from './environments/environments.ts';
import { alice, type DeployChanges, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
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
  const its = { ...promotion, ownerId: '17' };
  const refusal = await writer.promote({ ...its, to: 'strict' });
  assert.match(
    refusal.type === 'refused' ? refusal.message : '',
    /^"strict" does not take it: the memory limit "128Mi" is outside of what the policy allows: at most "64Mi"$/,
  );
  const nowhere = await writer.promote({ ...its, to: 'moon' });
  assert.match(
    nowhere.type === 'refused' ? nowhere.message : '',
    /no environment "moon"; there is staging, default/,
  );
  const nothing = await writer.promote({ ...its, functionName: 'other' });
  assert.equal(nothing.type === 'refused' && nothing.code, 'not_found');
  assert.equal((await writer.deploy(deployIntent({ functionName: 'x', ownerId: '18' }))).type, 'pushed');
  const taken = await writer.promote(its);
  assert.equal(taken.type === 'refused' && taken.code, 'name_taken', 'the folder is another account’s there');
});

test('what the policy of an environment clamps for a deploy it clamps for a promotion, and says so', async (t) => {
  const gitops = await gitopsFixture(t);
  const policy = {
    limits: { memory: { max: '64Mi' }, cpu: { default: '100m' } },
    outOfBounds: 'clamp' as const,
  };
  const writer = await gitops.writer({ environments: [...environments, { name: 'small', policy }] });
  const labels = { team: 'web', 'com.openfaas.scale.max': '3' };
  assert.equal((await writer.deploy(staged({ labels }))).type, 'pushed');
  const promoted = await writer.promote({ ...promotion, to: 'small' });
  assert.equal(promoted.type, 'pushed', JSON.stringify(promoted));
  const clamp = 'the memory limit "128Mi" is set to what the policy allows: at most "64Mi"';
  assert.deepEqual('written' in promoted && promoted.written[0]?.warnings, [clamp]);
  const [entry] = await writer.history({ ...hello, environment: 'small' });
  const text = await writer.at({ ...hello, environment: 'small', commit: entry!.commit });
  assert.match(text, /limits:\n +cpu: 100m\n +memory: 64Mi\n/);
  assert.match(text, /team: web/);
  const deployed = await writer.deploy({ ...deployIntent({ labels, source: '1' }), environment: 'small' });
  assert.equal(deployed.type, 'unchanged', 'a deploy there asks for the same as the promotion');

  const person = await gitops.person();
  const file = 'environments/staging/tenants/alice/hello.yaml';
  const changed = (await readFile(join(person.path, file), 'utf8')).replace(
    'spec:\n',
    'spec:\n  handler: x\n',
  );
  await writeFile(join(person.path, file), changed);
  await person.git('commit', '--quiet', '-a', '-m', 'by hand');
  await person.git('push', '--quiet');
  const again = await writer.promote({ ...promotion, to: 'small' });
  const words = 'written' in again ? again.written[0]?.warnings : undefined;
  assert.deepEqual(words, [
    clamp,
    'what a person changed in the manifest of "staging" itself is left out here',
  ]);
});

test('a promotion that a tag asks for is made once, and a re-run never brings back what was replaced', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  await writer.deploy(staged({ source: '1' }));
  const tagged = { ...promotion, buildId: 'tag-v1' };
  assert.equal((await writer.promote(tagged)).type, 'pushed');
  await writer.deploy(staged({ source: '2' }));
  assert.equal((await writer.promote({ ...promotion, buildId: 'tag-v2' })).type, 'pushed');
  assert.equal((await writer.promote(tagged)).type, 'pushed', 'the recorded outcome of the same build');
  const first = (await writer.history({ ...hello, environment: 'staging' })).at(-1)!;
  const rerun = { ...promotion, commit: first.commit, trigger: 'rebuild' as const, buildId: 'tag-v1-again' };
  const outcome = await writer.promote(rerun);
  assert.match(
    outcome.type === 'skipped' ? outcome.reason : '',
    /^1111111 of alice\/hello was deployed before/,
  );
  assert.deepEqual(
    (await writer.history(hello)).map(({ kind, buildId }) => [kind, buildId]),
    [
      ['promote', 'tag-v2'],
      ['promote', 'tag-v1'],
    ],
  );
});

test('a re-run of a tag that changed nothing does not bring back what was replaced since', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ environments });
  const image = `registry.local/alice/shop-hello:1@sha256:${'a'.repeat(64)}`;
  const same = (source: string) => {
    const intent = deployIntent({ source });
    return { ...intent, spec: { ...intent.spec, image } };
  };
  await writer.deploy(same('1'));
  await writer.deploy({ ...same('2'), environment: 'staging' });
  const asked = { ...promotion, buildId: 'tag-v1' };
  const answer = await writer.promote(asked);
  assert.equal(answer.type, 'unchanged');
  const answeredBy = 'commit' in answer ? answer.commit : '';
  const rerun = { ...asked, buildId: 'tag-v1-again', trigger: 'rebuild' as const, answeredBy };
  assert.equal((await writer.promote(rerun)).type, 'unchanged');
  assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'pushed');
  const late = await writer.promote({ ...rerun, buildId: 'tag-v1-late' });
  assert.match(
    late.type === 'skipped' ? late.reason : late.type,
    /was deployed before and replaced by 3333333/,
  );
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
  const forRef = (ref: string) => configured.forRef(ref, 'main');
  assert.deepEqual(forRef('refs/heads/main'), { way: 'deploy', environment: 'staging' });
  assert.deepEqual(forRef('refs/heads/release/1'), { way: 'deploy', environment: 'default' });
  assert.deepEqual(forRef('refs/tags/v1.2'), { way: 'promote', from: 'staging', environment: 'default' });
  for (const ref of ['refs/heads/topic', 'refs/tags/x', 'refs/notes/v1', 'main', '']) {
    assert.equal(forRef(ref).way, 'none', ref);
  }
  const named = createEnvironments([{ name: 'staging', branches: ['staging'] }]);
  assert.deepEqual(named.environments, ['staging', 'default']);
  assert.deepEqual(named.forRef('refs/heads/trunk', 'trunk'), { way: 'deploy', environment: 'default' });
  assert.deepEqual(named.forRef('refs/heads/a', 'trunk'), {
    way: 'none',
    reason: 'no environment takes the branch a',
  });
});

test('without any configuration the default branch is deployed, and nothing else', () => {
  const { forRef } = createEnvironments();
  assert.deepEqual(forRef('refs/heads/a/b', 'a/b'), { way: 'deploy', environment: 'default' });
  assert.deepEqual(forRef('refs/heads/topic', 'main'), {
    way: 'none',
    reason: 'only the branch main is deployed, this push was to topic',
  });
  assert.deepEqual(forRef('refs/tags/v1', 'main'), { way: 'none', reason: 'tags are not deployed (v1)' });
});

test('each environment has a namespace of its own, of which it need not say anything', () => {
  const places = (list: Parameters<typeof createEnvironments>[0]) => {
    const { names, get } = createEnvironments(list, 'fn');
    return names.map((name) => `${name} ${get(name)?.cluster}/${get(name)?.namespace}`);
  };
  assert.deepEqual(places([{ name: 'staging' }, { name: 'b', namespace: 'else' }]), [
    'staging /fn-staging',
    'b /else',
    'default /fn',
  ]);
  const inClusters = [
    { name: 'eu', cluster: 'eu', namespace: 'fn' },
    { name: 'us', cluster: 'us', namespace: 'fn' },
  ];
  assert.deepEqual(places(inClusters), ['eu eu/fn', 'us us/fn', 'default /fn']);
  const long = 'n'.repeat(60);
  assert.throws(() => createEnvironments([{ name: 'staging' }], long), /longer than 63 characters/);
  assert.equal(
    createEnvironments([{ name: 'staging', namespace: 'x' }], long).get('staging')?.namespace,
    'x',
  );
});

test('environments that make no sense are refused', () => {
  for (const bad of [
    [{ name: '../x' }],
    [{ name: 'a' }, { name: 'a' }],
    [{ name: 'a', promotesFrom: 'b' }],
    [{ name: 'a', tags: ['v*'], promotesFrom: 'a' }],
    [{ name: 'a', policy: { nonsense: 1 } as object }],
    [{ name: 'a', namespace: 'openfaas-fn' }],
    [{ name: 'a' }, { name: 'b', namespace: 'openfaas-fn-a' }],
    [
      { name: 'default', namespace: 'fn' },
      { name: 'b', namespace: 'fn' },
    ],
    [
      { name: 'a', namespace: 'fn', cluster: '' },
      { name: 'b', namespace: 'fn' },
    ],
  ]) {
    assert.throws(
      () => createEnvironments(bad),
      (error) => error instanceof TowlineError && error.code === 'config_invalid',
    );
  }
});

test('what a person wrote into a manifest by hand is never promoted past the checks of a deploy', async (t) => {
  const gitops = await gitopsFixture(t);
  const policy = { limits: { memory: { max: '1Gi' } } };
  const writer = await gitops.writer({ environments: [...environments, { name: 'other', policy }] });
  assert.equal((await writer.deploy(staged())).type, 'pushed');
  const person = await gitops.person();
  const file = join(person.path, 'environments/staging/tenants/alice/hello.yaml');
  const original = await readFile(file, 'utf8');
  const refusedEdits: [string, (text: string) => string][] = [
    ['another object’s name', (text) => text.replaceAll('alice-hello', 'bob-hello')],
    ['a wrong type', (text) => text.replace('spec:\n', 'spec:\n  handler: 5\n')],
    ['an image without a digest', (text) => text.replace(/@sha256:\w+/, '')],
    [
      'a key that commands Flux',
      (text) =>
        text.replace(
          '  labels:\n    com.openfaas.cloud',
          '  labels:\n    kustomize.toolkit.fluxcd.io/prune: disabled\n    com.openfaas.cloud',
        ),
    ],
    ['a finalizer', (text) => text.replace('metadata:\n', 'metadata:\n  finalizers: [foo/bar]\n')],
    ['no source commit', (text) => text.replace(/.*git-sha.*\n/g, '')],
  ];
  const edit = async (words: string, text: string) => {
    await person.git('pull', '--quiet', '--rebase');
    await writeFile(file, text);
    await person.git('commit', '--quiet', '-am', words);
    await person.git('push', '--quiet');
  };
  for (const [words, change] of refusedEdits) {
    await edit(words, change(original));
    for (const to of ['default', 'other']) {
      const outcome = await writer.promote({ ...promotion, to });
      assert.equal(
        outcome.type === 'refused' && outcome.code,
        'manifest_refused',
        `${words}: ${JSON.stringify(outcome)}`,
      );
    }
  }
  await edit(
    'more than a function may say',
    original
      .replace('  annotations:\n', '  annotations:\n    argocd.argoproj.io/hook: PreSync\n')
      .replace('spec:\n', 'spec:\n  secrets: [bob-token]\n'),
  );
  for (const to of ['default', 'other']) {
    const outcome = await writer.promote({ ...promotion, to });
    assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
    assert.deepEqual('written' in outcome && outcome.written[0]?.warnings, [
      'what a person changed in the manifest of "staging" itself is left out here',
    ]);
    const [entry] = await writer.history({ ...hello, environment: to });
    const text = await writer.at({ ...hello, environment: to, commit: entry!.commit });
    assert.doesNotMatch(text, /argoproj|- bob-token/);
  }
});

test('an image that is gone is not promoted', async (t) => {
  const gitops = await gitopsFixture(t);
  let answer: () => Promise<boolean> = async () => false;
  const writer = await gitops.writer({ environments }, Date.now, { imageExists: () => answer() });
  const first = await writer.deploy(staged({ source: '1' }));
  await writer.deploy(staged({ source: '2' }));
  const commit = 'commit' in first ? first.commit : '';
  for (const [asked, image] of [
    [promotion, /image .*2222222.* is gone/],
    [{ ...promotion, commit }, /image .*1111111.* is gone/],
  ] as const) {
    const outcome = await writer.promote(asked);
    assert.match(outcome.type === 'refused' ? outcome.message : '', image);
  }
  answer = () => Promise.reject(new Error('the registry is away'));
  assert.equal((await writer.promote(promotion)).type, 'pushed');
});
