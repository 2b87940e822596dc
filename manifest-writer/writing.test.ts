import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WriteOutcome } from '../core/manifest-writer.ts';
import { alice, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

function pushed(outcome: WriteOutcome): { commit: string; number: number } {
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  if (outcome.type !== 'pushed') throw new Error('unreachable');
  return { commit: outcome.commit, number: outcome.written[0]?.number ?? 0 };
}

const revertOf = (toCommit: string, reason = 'it fails') => ({
  owner: 'alice',
  ownerId: 'id-of-alice',
  functionName: 'hello',
  toCommit,
  reason,
  actor: alice,
});

const removal = (functionNames: string[], repo = 'greetings') => ({
  owner: 'alice',
  ownerId: 'id-of-alice',
  functionNames,
  repo,
  sourceCommit: null,
  reason: 'gone from stack.yml',
  actor: alice,
});

test('a deploy is one commit that says who, what and from where', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const { commit, number } = pushed(await writer.deploy(deployIntent({ buildId: 'b-1' })));
  assert.equal(number, 1);
  assert.equal(await gitops.remoteHead(), commit);
  const shown = await gitops.git(gitops.remote, 'log', '-1', '--format=%an <%ae>|%cn|%s|%b', commit);
  assert.match(
    shown,
    /^Alice Doe <alice@example.org>\|Towline\|deploy\(alice\/hello\): #1 1111111 Fix greeting\|/,
  );
  const trailers = await gitops.git(gitops.remote, 'log', '-1', '--format=%(trailers:only)', commit);
  assert.deepEqual(trailers.trim().split('\n').slice(0, 5), [
    'Towline-Kind: deploy',
    'Towline-Function: alice/hello',
    'Towline-Deploy: 1',
    'Towline-Source: alice/greetings@main',
    `Towline-Source-Commit: ${sha('1')}`,
  ]);
  const files = await gitops.git(gitops.remote, 'show', '--format=', '--name-only', commit);
  assert.deepEqual(files.trim().split('\n'), ['tenants/alice/hello.yaml', 'tenants/alice/tenant.yaml']);
  await gitops.git(gitops.remote, 'fsck', '--strict');
});

test('the same build asked again, at once or after a restart, is the one commit it was', async (t) => {
  const gitops = await gitopsFixture(t);
  const first = await gitops.writer();
  const intent = deployIntent({ buildId: 'b-1' });
  const both = await Promise.all([first.deploy(intent), first.deploy(intent)]);
  assert.deepEqual(
    both.map((one) => one.type),
    ['pushed', 'pushed'],
  );
  assert.deepEqual(both[1], both[0]);
  await first[Symbol.asyncDispose]();
  const second = await gitops.writer();
  assert.deepEqual(await second.deploy(intent), both[0]);
  await second[Symbol.asyncDispose]();
  const forgetful = await gitops.writer({ intentsPath: join(gitops.folder, 'other-intents.db') });
  assert.deepEqual(await forgetful.deploy(intent), { ...both[0], type: 'unchanged' }, 'from git alone');
  assert.equal((await forgetful.history({ owner: 'alice', functionName: 'hello' })).length, 1);
});

test('a deploy that changes nothing is no commit', async (t) => {
  const gitops = await gitopsFixture(t);
  let now = Date.parse('2026-01-01T00:00:00Z');
  const writer = await gitops.writer({}, () => now);
  const { commit } = pushed(await writer.deploy(deployIntent()));
  now += 3_600_000;
  const again = await writer.deploy(deployIntent());
  assert.deepEqual([again.type, 'commit' in again ? again.commit : null], ['unchanged', commit]);
  assert.equal(await gitops.remoteHead(), commit);
});

test('a push that leaves a function as it is is no commit; the manifest names the commit that changed it', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const first = deployIntent({ source: '1' });
  const { commit } = pushed(await writer.deploy(first));
  const second = deployIntent({ source: '2' });
  second.spec.image = first.spec.image;
  const outcome = await writer.deploy(second);
  assert.deepEqual([outcome.type, 'commit' in outcome ? outcome.commit : null], ['unchanged', commit]);
  assert.equal(await gitops.remoteHead(), commit);
  const [entry] = await writer.history({ owner: 'alice', functionName: 'hello' });
  assert.equal(entry?.sourceCommit, sha('1'));
  const third = deployIntent({ source: '3', environment: { GREETING: 'other' } });
  third.spec.image = first.spec.image;
  assert.equal(pushed(await writer.deploy(third)).number, 2, 'its configuration changed');
});

test('a rebuild of a commit that left a function as it was does not bring back what was reverted since', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  const two = deployIntent({ source: '2' });
  const { commit: answeredBy } = pushed(await writer.deploy(two));
  const same = (more: object) => {
    const intent = deployIntent({ source: '3', ...more });
    intent.spec.image = two.spec.image;
    return intent;
  };
  assert.equal((await writer.deploy(same({}))).type, 'unchanged');
  const rebuild = () => ({ ...same({ trigger: 'rebuild' }), answeredBy });
  assert.equal((await writer.deploy(rebuild())).type, 'unchanged', 'nothing has changed yet');
  pushed(await writer.revert(revertOf(one.commit)));
  assert.equal((await writer.deploy(rebuild())).type, 'skipped');
  assert.equal((await writer.deploy(same({}))).type, 'pushed', 'a new push');
});

test('intents that pile up become one commit each, in order, in few pushes', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const names = ['a', 'b', 'c'];
  const asked = [...'1234567'].flatMap((source) =>
    names.map((functionName) => writer.deploy(deployIntent({ functionName, source }))),
  );
  const outcomes = await Promise.all(asked);
  assert.deepEqual(
    outcomes.map((one) => pushed(one).number),
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7],
  );
  assert.equal(new Set(outcomes.map((one) => pushed(one).commit)).size, 21);
  for (const functionName of names) {
    const entries = await writer.history({ owner: 'alice', functionName });
    assert.deepEqual(
      entries.map((one) => one.sourceCommit),
      [...'7654321'].map(sha),
    );
    assert.deepEqual(
      entries.map((one) => one.number),
      [7, 6, 5, 4, 3, 2, 1],
    );
  }
});

test('a rebuild never brings back what was reverted, removed or replaced; a push does', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const first = pushed(await writer.deploy(deployIntent({ source: '1' })));
  pushed(await writer.deploy(deployIntent({ source: '2' })));
  pushed(await writer.revert(revertOf(first.commit)));
  const rebuilt = await writer.deploy(deployIntent({ source: '2', trigger: 'rebuild' }));
  assert.equal(rebuilt.type, 'skipped');
  assert.match(rebuilt.type === 'skipped' ? rebuilt.reason : '', /2222222 .* replaced by 1111111/);
  const newImage = deployIntent({ source: '1', trigger: 'rebuild', environment: { GREETING: 'hi' } });
  assert.equal((await writer.deploy(newImage)).type, 'pushed', 'a rebuild of the current commit');
  assert.equal((await writer.deploy(deployIntent({ source: '2' }))).type, 'pushed', 'a new push');
  pushed(await writer.remove(removal(['hello'])));
  const removed = await writer.deploy(deployIntent({ source: '2', trigger: 'rebuild' }));
  assert.match(removed.type === 'skipped' ? removed.reason : '', /was removed since/);
  assert.equal((await writer.deploy(deployIntent({ source: '3', trigger: 'rebuild' }))).type, 'pushed');
});

test('two owners that compute one object name: the second is refused and not told whose it is', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const [held, asked] of [
    [
      { owner: 'a', functionName: 'b-c' },
      { owner: 'a-b', functionName: 'c' },
    ],
    [
      { owner: 'x-y', functionName: 'z' },
      { owner: 'x', functionName: 'y-z' },
    ],
  ] as const) {
    const [first, second] = await Promise.all([
      writer.deploy(deployIntent(held)),
      writer.deploy(deployIntent(asked)),
    ]);
    pushed(first);
    assert.equal(second.type === 'refused' && second.code, 'name_taken');
    const message = second.type === 'refused' ? second.message : '';
    assert.doesNotMatch(message, new RegExp(`\\b(owner|of) "?${held.owner}"?\\b`));
    assert.doesNotMatch(message, new RegExp(`"${held.functionName}"`));
  }
  const head = await gitops.remoteHead();
  assert.equal((await gitops.git(gitops.remote, 'ls-tree', '--name-only', head, 'tenants/a-b/')).trim(), '');
});

test('two repositories of one owner cannot have the same function; the message names the other', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  pushed(await writer.deploy(deployIntent({ repo: 'greetings' })));
  const other = await writer.deploy(deployIntent({ repo: 'greetings2', source: '2' }));
  assert.equal(other.type === 'refused' && other.code, 'name_taken');
  assert.match(other.type === 'refused' ? other.message : '', /repository "greetings"/);
  pushed(await writer.remove(removal(['hello'])));
  pushed(await writer.deploy(deployIntent({ repo: 'greetings2', source: '2' })));
});

test('a tenant’s folder belongs to an owner id: the same name with another id is refused', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  pushed(await writer.deploy(deployIntent({ ownerId: '17' })));
  const other = await writer.deploy(deployIntent({ ownerId: '18', functionName: 'other' }));
  assert.equal(other.type === 'refused' && other.code, 'name_taken');
  assert.doesNotMatch(JSON.stringify(other), /17/);
});

test('what must not be emitted is refused before anything is committed', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const before = await gitops.remoteHead();
  const keys = [
    'kustomize.toolkit.fluxcd.io/prune',
    'kustomize.toolkit.fluxcd.io/reconcile',
    'Event.Toolkit.FluxCD.io/x',
    'fluxcd.io/ignore',
    'argocd.argoproj.io/sync-options',
    'evilargoproj.io/x',
    'config.kubernetes.io/local-config',
    'internal.config.kubernetes.io/path',
    'kustomize.config.k8s.io/id',
    'app.kubernetes.io/instance',
    'com.openfaas.git-owner-id',
    'com.openfaas.cloud.git-owner',
    'towline.dev/function',
    'towline.dev/git-repo',
    'a/b/c',
    '',
  ];
  for (const key of keys) {
    for (const kind of ['labels', 'annotations'] as const) {
      const outcome = await writer.deploy(deployIntent({ [kind]: { [key]: 'disabled' } }));
      assert.equal(outcome.type === 'refused' && outcome.code, 'manifest_refused', `${kind} ${key}`);
    }
  }
  for (const functionName of [
    '..',
    '../bob/x',
    'kustomization',
    'tenant',
    'A',
    'a.b',
    'x'.repeat(80),
    '-a',
    '',
  ]) {
    const outcome = await writer.deploy(deployIntent({ functionName }));
    assert.equal(outcome.type === 'refused' && outcome.code, 'name_invalid', functionName);
  }
  assert.equal(await gitops.remoteHead(), before);
});

test('one removal commit for all functions of the repository, and for nobody else’s', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const functionName of ['a', 'b']) pushed(await writer.deploy(deployIntent({ functionName })));
  pushed(await writer.deploy(deployIntent({ functionName: 'c', repo: 'another' })));
  const outcome = await writer.remove(removal(['b', 'a', 'c', 'never', '../x']));
  const { commit } = pushed(outcome);
  assert.deepEqual(outcome.type === 'pushed' && outcome.written, [
    { functionName: 'a', number: 2 },
    { functionName: 'b', number: 2 },
  ]);
  const left = await gitops.git(gitops.remote, 'ls-tree', '--name-only', commit, 'tenants/alice/');
  assert.deepEqual(left.trim().split('\n'), ['tenants/alice/c.yaml', 'tenants/alice/tenant.yaml']);
  const again = await writer.remove(removal(['a', 'b']));
  assert.deepEqual(again, { ...outcome, type: 'unchanged' });
  const gone = await writer.remove(removal(['c'], 'another'));
  const sentinel = await gitops.git(
    gitops.remote,
    'ls-tree',
    '--name-only',
    pushed(gone).commit,
    'tenants/alice/',
  );
  assert.equal(sentinel.trim(), 'tenants/alice/tenant.yaml');
  assert.deepEqual(await writer.current('alice'), []);
});

test('a revert brings back code and configuration in one commit; reverting it goes forward again', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const one = pushed(await writer.deploy(deployIntent({ source: '1', environment: { LEVEL: 'low' } })));
  const two = pushed(await writer.deploy(deployIntent({ source: '2', environment: { LEVEL: 'high' } })));
  const three = pushed(await writer.deploy(deployIntent({ source: '3' })));
  const back = pushed(await writer.revert(revertOf(one.commit, 'too loud')));
  assert.equal(back.number, 4);
  const at = (commit: string) => writer.at({ owner: 'alice', functionName: 'hello', commit });
  assert.equal(await at(back.commit), await at(one.commit));
  assert.equal((await writer.revert(revertOf(one.commit))).type, 'unchanged');
  const trailers = '--format=%(trailers:key=Towline-Reverts,valueonly)';
  const undone = await gitops.git(gitops.remote, 'log', '-1', trailers, back.commit);
  assert.deepEqual(undone.trim().split('\n'), [three.commit, two.commit]);
  const forward = pushed(await writer.revert(revertOf(three.commit)));
  assert.equal(await at(forward.commit), await at(three.commit));
  const entries = await writer.history({ owner: 'alice', functionName: 'hello' });
  assert.deepEqual(
    entries.map(({ number, kind, restores, revertedBy }) => [number, kind, restores, revertedBy]),
    [
      [5, 'revert', 3, null],
      [4, 'revert', 1, 5],
      [3, 'deploy', null, 4],
      [2, 'deploy', null, 4],
      [1, 'deploy', null, null],
    ],
  );
  assert.deepEqual(
    [entries[1]?.reason, entries[1]?.sourceCommit, entries[1]?.reverts],
    ['too loud', sha('1'), three.commit],
  );
});

test('a revert is refused where it makes no sense, and a conflict if the function has moved on', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const before = await gitops.remoteHead();
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  const two = pushed(await writer.deploy(deployIntent({ source: '2' })));
  for (const commit of [before, sha('d'), 'HEAD', '--all']) {
    const outcome = await writer.revert(revertOf(commit));
    assert.equal(outcome.type === 'refused' && outcome.code, 'not_found', commit);
  }
  const stale = await writer.revert({ ...revertOf(one.commit), expectedCommit: one.commit });
  assert.equal(stale.type, 'conflict');
  pushed(await writer.deploy(deployIntent({ functionName: 'other' })));
  const fresh = await writer.revert({ ...revertOf(one.commit), expectedCommit: two.commit });
  assert.equal(fresh.type, 'pushed', 'another function’s commit is no conflict');
});

test('a removed function comes back by a revert, unless its name was given away', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const one = pushed(await writer.deploy(deployIntent({ owner: 'a', functionName: 'b-c' })));
  const intent = {
    owner: 'a',
    ownerId: 'id-of-a',
    functionName: 'b-c',
    toCommit: one.commit,
    reason: '',
    actor: alice,
  };
  pushed(await writer.remove({ ...removal(['b-c']), owner: 'a', ownerId: 'id-of-a' }));
  pushed(await writer.revert(intent));
  pushed(await writer.remove({ ...removal(['b-c']), owner: 'a', ownerId: 'id-of-a' }));
  pushed(await writer.deploy(deployIntent({ owner: 'a-b', functionName: 'c' })));
  const outcome = await writer.revert(intent);
  assert.equal(outcome.type === 'refused' && outcome.code, 'name_taken');
});

test('an intent that is taken back before its turn is not committed', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const abort = new AbortController();
  const first = writer.deploy(deployIntent({ functionName: 'a' }));
  const second = writer.deploy(deployIntent({ functionName: 'b' }), abort.signal);
  abort.abort(new Error('superseded'));
  await assert.rejects(second, /superseded/);
  pushed(await first);
  assert.deepEqual(
    (await writer.current()).map((one) => one.functionName),
    ['a'],
  );
});
