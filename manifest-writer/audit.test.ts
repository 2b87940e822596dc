import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEvent } from '../core/audit.ts';
import { alice, deployIntent, gitopsFixture } from './gitops-fixture.ts';

const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };
const whose = { owner: 'alice', ownerId: 'id-of-alice' };

test('the audit tells who held, resumed, reverted, promoted and removed, and what came of it', async (t) => {
  const gitops = await gitopsFixture(t);
  const told: AuditEvent[] = [];
  const trail = { record: (event: AuditEvent) => void told.push(event) };
  const writer = await gitops.writer({}, Date.now, {
    audit: { trail, origin: 'https://towline.example.org' },
  });
  const deployed = await writer.deploy(deployIntent({ functionName: 'hello' }));
  assert.equal(deployed.type, 'pushed');
  assert.equal(told.length, 0, 'a deploy is told by whoever built it');

  const hello = { ...whose, functionName: 'hello', actor: bob };
  await writer.hold({ ...hello, reason: 'a\r\nfreeze' });
  await writer.hold({ ...hello, reason: 'again' });
  await writer.resume({ ...hello, reason: '' });
  await writer.revert({ ...hello, toCommit: 'f'.repeat(40), reason: 'wrong' });
  await writer.remove({
    ...{ ...whose, functionNames: ['hello'], repo: '', sourceCommit: null, reason: 'old', actor: bob },
    scope: 'named',
  });
  assert.deepEqual(
    told.map(({ action, result, actor, owner, functionName }) => [
      action,
      result,
      actor,
      owner,
      functionName,
    ]),
    [
      ['hold', 'committed', 'bob', 'alice', 'hello'],
      ['hold', 'unchanged', 'bob', 'alice', 'hello'],
      ['resume', 'committed', 'bob', 'alice', 'hello'],
      ['revert', 'refused', 'bob', 'alice', 'hello'],
      ['remove', 'committed', 'bob', 'alice', null],
    ],
  );
  const [hold, , , , removed] = told;
  assert.deepEqual([hold?.reason, removed?.target], ['a freeze', 'alice, 1 function: hello']);
  assert.equal(hold?.url, 'https://towline.example.org/alice/hello/deploys');
  assert.equal(new Set(told.map(({ id }) => id)).size, told.length);
});

test('the audit tells of large removals: asked for, refused by somebody, and confirmed by somebody', async (t) => {
  const gitops = await gitopsFixture(t);
  const told: AuditEvent[] = [];
  const writer = await gitops.writer({}, Date.now, {
    audit: { trail: { record: (event) => void told.push(event) } },
  });
  const functionNames = [...Array(30).keys()].map((index) => `f-${index}`);
  await Promise.all(functionNames.map((functionName) => writer.deploy(deployIntent({ functionName }))));
  const removal = { ...whose, functionNames, repo: 'greetings', sourceCommit: null, reason: 'gone' };
  const outcome = await writer.remove({ ...removal, actor: alice });
  const id = outcome.type === 'needs-confirmation' ? outcome.id : '';
  await writer.rejectRemoval({ ownerId: 'id-of-mallory', id, actor: bob });
  await writer.rejectRemoval({ ownerId: 'id-of-alice', id, actor: bob });
  await writer.confirmRemoval({ ownerId: 'id-of-alice', id, actor: bob });
  assert.deepEqual(
    told.map(({ action, result, actor }) => [action, result, actor]),
    [
      ['large-removal', 'waits', 'alice'],
      ['reject-removal', 'done', 'bob'],
      ['confirm-removal', 'committed', 'bob'],
    ],
  );
  assert.ok(told.every(({ target }) => target?.startsWith('alice, 30 functions: f-0, ')));
});
