import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RemoveIntent } from '../core/manifest-writer.ts';
import { alice, deployIntent, gitopsFixture } from './gitops-fixture.ts';

const names = [...Array(30).keys()].map((index) => `f-${index}`);
const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };
const removal = (changes: Partial<RemoveIntent> = {}): RemoveIntent => ({
  owner: 'alice',
  ownerId: 'id-of-alice',
  functionNames: names,
  repo: 'greetings',
  sourceCommit: null,
  reason: 'gone from stack.yml',
  actor: alice,
  ...changes,
});

test('a large removal waits for somebody’s yes, also over a restart, and is one commit then', async (t) => {
  const gitops = await gitopsFixture(t);
  const first = await gitops.writer();
  await Promise.all(names.map((functionName) => first.deploy(deployIntent({ functionName }))));
  const before = await gitops.remoteHead();
  const outcome = await first.remove(removal());
  assert.equal(outcome.type, 'needs-confirmation');
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  assert.deepEqual(outcome, { ...outcome, functionNames: [...names].sort(), limit: 25 });
  assert.match(
    outcome.type === 'needs-confirmation' ? outcome.message : '',
    /30 of 30 .*towline removals confirm/,
  );
  assert.equal(await gitops.remoteHead(), before);
  await first[Symbol.asyncDispose]();
  const writer = await gitops.writer();
  const again = await writer.remove(removal());
  assert.equal(again.type === 'needs-confirmation' && again.id, id, 'asked again it is the same one');
  assert.deepEqual(
    (await writer.removals('id-of-alice')).map((one) => [one.id, one.state, one.functionNames.length]),
    [[id, 'waiting', 30]],
  );
  assert.deepEqual(await writer.removals('id-of-bob'), []);
  const notTheirs = await writer.confirmRemoval({ ownerId: 'id-of-bob', id, actor: bob });
  assert.equal(notTheirs.type === 'refused' && notTheirs.code, 'not_found');
  const done = await writer.confirmRemoval({ ownerId: 'id-of-alice', id, actor: bob });
  assert.equal(done.type, 'pushed', JSON.stringify(done));
  const left = await gitops.git(gitops.remote, 'ls-tree', '--name-only', 'main', 'tenants/alice/');
  assert.equal(left.trim(), 'tenants/alice/tenant.yaml', 'the sentinel stays');
  const shown = await gitops.git(
    gitops.remote,
    'log',
    '-1',
    '--format=%an %(trailers:key=Towline-Actor,valueonly)',
  );
  assert.equal(shown.trim(), 'Bob bob');
  assert.equal((await gitops.git(gitops.remote, 'rev-list', '--count', `${before}..main`)).trim(), '1');
  assert.deepEqual(await writer.removals(), []);
});

test('a removal that was rejected stays so when it is asked again, until it is confirmed after all', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await Promise.all(names.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const outcome = await writer.remove(removal());
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  assert.equal(await writer.rejectRemoval({ ownerId: 'id-of-alice', id: 'other', actor: bob }), false);
  assert.equal(await writer.rejectRemoval({ ownerId: 'id-of-alice', id, actor: bob }), true);
  assert.equal((await writer.remove(removal())).type, 'skipped');
  assert.equal((await writer.current('alice')).length, 30);
  assert.equal((await writer.confirmRemoval({ ownerId: 'id-of-alice', id, actor: bob })).type, 'pushed');
});

test('a repository’s or a tenant’s functions go in one commit, whatever they are called', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const [functionName, repo] of [
    ['a', 'one'],
    ['b', 'one'],
    ['c', 'two'],
    ['d', 'three'],
  ] as const) {
    await writer.deploy(deployIntent({ functionName, repo }));
  }
  await writer.deploy(deployIntent({ owner: 'bob', functionName: 'a' }));
  const ofRepo = await writer.remove(removal({ scope: 'repository', repo: 'one', functionNames: [] }));
  assert.deepEqual('written' in ofRepo && ofRepo.written.map((one) => one.functionName), ['a', 'b']);
  const ofTenant = await writer.remove(removal({ scope: 'tenant', functionNames: [] }));
  assert.deepEqual('written' in ofTenant && ofTenant.written.map((one) => one.functionName), ['c', 'd']);
  assert.deepEqual(
    (await writer.current()).map((one) => one.owner),
    ['bob'],
  );
});

test('a function that a person names goes, whatever repository it is from, also if its manifest is broken', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  for (const functionName of ['hello', 'broken', 'stays'])
    await writer.deploy(deployIntent({ functionName }));
  const person = await gitops.person();
  await writeFile(join(person.path, 'tenants/alice/broken.yaml'), 'kind: [');
  await person.git('commit', '--quiet', '--all', '--message=Break it');
  await person.git('push', '--quiet');
  const named = (functionName: string) =>
    writer.remove(removal({ scope: 'named', functionNames: [functionName], repo: '', reason: 'not needed' }));
  for (const name of ['hello', 'broken']) assert.equal((await named(name)).type, 'pushed', name);
  assert.deepEqual(
    (await writer.current('alice')).map(({ functionName }) => functionName),
    ['stays'],
  );
  const [newest] = await writer.history({ owner: 'alice', functionName: 'hello' });
  assert.deepEqual([newest?.kind, newest?.reason, newest?.source], ['remove', 'not needed', null]);
  const again = await named('hello');
  assert.deepEqual(again.type === 'unchanged' && again.written, [{ functionName: 'hello', number: 2 }]);
  const never = await named('never');
  assert.deepEqual(never.type === 'unchanged' && never.written, []);
});

test('of all functions of an owner those go that were shown to whoever confirms it', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await Promise.all(names.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const outcome = await writer.remove(removal({ scope: 'tenant', functionNames: [], repo: '' }));
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  await writer.deploy(deployIntent({ functionName: 'later' }));
  assert.equal((await writer.confirmRemoval({ ownerId: 'id-of-alice', id, actor: bob })).type, 'pushed');
  assert.deepEqual(
    (await writer.current('alice')).map(({ functionName }) => functionName),
    ['later'],
  );
});

test('a yes to a removal of before takes nothing away that was deployed since, and the question is gone', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await Promise.all(names.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const id = async () => {
    const outcome = await writer.remove(removal());
    return outcome.type === 'needs-confirmation' ? outcome.id : '';
  };
  const yes = async (asked: string) =>
    writer.confirmRemoval({ ownerId: 'id-of-alice', id: asked, actor: bob });
  const first = await id();
  for (const functionName of ['f-3', 'f-4']) await writer.deploy(deployIntent({ functionName, source: '2' }));
  const before = await gitops.remoteHead();
  const outcome = await yes(first);
  assert.match(outcome.type === 'conflict' ? outcome.message : '', /^f-3 and 1 more changed since/);
  assert.equal(await gitops.remoteHead(), before);
  assert.deepEqual(await writer.removals(), []);

  const place = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'f-5', reason: '', actor: alice };
  await id();
  await writer.hold(place);
  const asked = await id();
  const done = await yes(asked);
  assert.equal(done.type, 'pushed', 'asked again after the change, it is about what is there now');
  assert.deepEqual(await writer.current('alice'), []);
});

test('parts of a larger removal wait as the whole would', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await Promise.all(names.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const before = await gitops.remoteHead();
  const part = names.slice(0, 10);
  const whole = { functions: 30, present: 30 };
  const outcome = await writer.remove(removal({ functionNames: part, together: whole }));
  assert.deepEqual(outcome, {
    ...outcome,
    type: 'needs-confirmation',
    functionNames: [...part].sort(),
    limit: 25,
  });
  assert.match(
    outcome.type === 'needs-confirmation' ? outcome.message : '',
    /^10 of 30 functions would be removed, and 30 together with those of other repositories, and 25 may go at once/,
  );
  assert.equal(await gitops.remoteHead(), before);
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  const confirmed = await writer.confirmRemoval({ ownerId: 'id-of-alice', id, actor: bob });
  assert.equal(confirmed.type, 'pushed');
  // What is left is fewer by now; the share is taken of what there was.
  const rest = removal({ functionNames: names.slice(10, 20), together: { functions: 26, present: 100 } });
  assert.equal((await writer.remove(rest)).type, 'pushed');
});
