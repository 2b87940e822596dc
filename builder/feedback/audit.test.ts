import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditOfHistory, auditOfPush, auditOfRequests } from './audit-event.ts';
import { deployRecord, pushRecord } from './record-fixture.ts';

const origin = 'https://towline.example.org';

describe('audit events', () => {
  it('say who did what and what came of it, once a deploy has ended', () => {
    const open = pushRecord({ deploys: [deployRecord({ state: 'building' })] });
    assert.deepEqual(auditOfPush(open, origin), []);
    const told = auditOfPush(
      pushRecord({
        deploys: [
          deployRecord({ state: 'live' }),
          deployRecord({ id: 'd2', functionName: 'old', state: 'removed' }),
          deployRecord({
            id: 'd3',
            functionName: 'rude',
            state: 'failed',
            cause: { code: 'policy_refused', message: 'too\r\nmuch memory' },
          }),
        ],
      }),
      origin,
    );
    assert.deepEqual(
      told.map(({ id, action, result, actor, reason }) => [id, action, result, actor, reason]),
      [
        ['d1:live', 'deploy', 'live', 'alice', null],
        ['d2:removed', 'remove', 'removed', 'alice', null],
        ['d3:failed', 'deploy', 'refused', 'alice', 'too much memory'],
      ],
    );
  });

  it('say who asked to build a push again, and who stopped it, each once', () => {
    const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };
    assert.deepEqual(auditOfRequests(pushRecord({}), { origin: 'recovered' }, origin), []);
    const told = auditOfRequests(pushRecord({}), { origin: 'rebuild', cancelledBy: bob }, origin);
    assert.deepEqual(
      told.map(({ id, action, result, actor }) => [id.split(':')[1], action, result, actor]),
      [
        ['rebuild', 'rebuild', 'requested', 'alice'],
        ['cancel', 'cancel', 'requested', 'bob'],
      ],
    );
    const later = auditOfRequests(
      pushRecord({ updatedAt: 99 }),
      { origin: 'hook', cancelledBy: bob },
      origin,
    );
    assert.equal(later[0]?.id, told[1]?.id, 'the same event however often the push is looked at');
  });

  it('tell of pushes that were left alone, and of what people did in git itself', () => {
    const [left] = auditOfPush(pushRecord({ note: 'skipped: tags are not deployed' }), origin);
    assert.deepEqual([left?.action, left?.result, left?.functionName], ['push', 'skipped', null]);
    const entry = {
      commit: 'b'.repeat(40),
      owner: 'acme',
      functionName: 'hello',
      number: 3,
      subject: 'revert',
      author: { name: 'Bob', email: 'b@x' },
      committedAt: 9,
      sourceCommit: null,
      source: null,
      image: null,
      buildId: null,
      actor: 'bob',
      reason: '500s on /pay',
      reverts: null,
      restores: 1,
      revertedBy: null,
      direct: false,
      current: true,
      present: true,
    };
    assert.equal(auditOfHistory({ ...entry, kind: 'revert' }, origin), undefined, 'the writer tells of it');
    const revert = auditOfHistory({ ...entry, kind: 'revert', direct: true }, origin);
    assert.deepEqual([revert?.action, revert?.actor, revert?.reason], ['revert', 'bob', '500s on /pay']);
    assert.equal(revert?.result, 'committed directly in git');
  });
});
