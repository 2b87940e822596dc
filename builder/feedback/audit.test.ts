import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { type AuditEvent, auditOfHistory, auditOfPush, auditOfRequests, auditText } from './audit-event.ts';
import { postAudit } from './audit-webhook.ts';
import { deployRecord, pushRecord } from './record-fixture.ts';

const origin = 'https://towline.example.org';

const event: AuditEvent = {
  id: 'd1:live',
  time: 5,
  action: 'deploy',
  result: 'live',
  actor: 'alice',
  owner: 'acme',
  functionName: 'hello',
  environment: 'default',
  commit: 'a'.repeat(40),
  reason: null,
  url: `${origin}/acme/pushes/p1`,
};

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

  it('tell of pushes that were left alone, and of what was done to the history', () => {
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
    const revert = auditOfHistory({ ...entry, kind: 'revert' }, origin);
    assert.deepEqual([revert?.action, revert?.actor, revert?.reason], ['revert', 'bob', '500s on /pay']);
    assert.equal(auditOfHistory({ ...entry, kind: 'deploy' }, origin), undefined);
    assert.equal(
      auditOfHistory({ ...entry, kind: 'deploy', direct: true }, origin)?.result,
      'committed directly in git',
    );
  });

  it('mention nobody in Slack, whatever users wrote', () => {
    const line = auditText({ ...event, actor: '<!channel>', reason: '<https://evil|x> & more' });
    assert.equal(
      line,
      `deploy of acme/hello by &lt;!channel&gt;: live: &lt;https://evil|x&gt; &amp; more <${event.url}|details>`,
    );
  });

  it('are signed with their time, and sent as JSON with a text', async () => {
    await using receiver = await startReceiver();
    const how = { now: 1_700_000_000_000, signal: AbortSignal.timeout(10_000) };
    assert.deepEqual(await postAudit({ url: receiver.url, secret: 's3' }, event, how), { type: 'reported' });
    const [got] = receiver.got;
    assert.ok(got);
    const { text: line, ...fields } = JSON.parse(got.body) as Record<string, unknown>;
    assert.deepEqual(fields, event);
    assert.match(String(line), /^deploy of acme\/hello by alice: live /);
    assert.equal(got.headers['x-towline-timestamp'], '1700000000');
    const hmac = createHmac('sha256', 's3').update(`1700000000.${got.body}`).digest('hex');
    assert.equal(got.headers['x-towline-signature-256'], `sha256=${hmac}`);
  });

  it('wait for a receiver that is away or asks for time, and end where they are not wanted', async () => {
    await using receiver = await startReceiver();
    const post = () =>
      postAudit({ url: receiver.url }, event, { now: 1000, signal: AbortSignal.timeout(10_000) });
    receiver.answer = { status: 429, headers: { 'retry-after': '7' } };
    assert.deepEqual(await post(), {
      type: 'later',
      reason: '429: the receiver of audit events',
      holds: 'owner',
      retryAt: 8000,
    });
    receiver.answer = { status: 500, headers: {} };
    assert.equal((await post()).type, 'later');
    receiver.answer = { status: 410, headers: {} };
    assert.equal((await post()).type, 'refused');
    receiver.answer = { status: 302, headers: { location: 'http://169.254.169.254/' } };
    assert.equal((await post()).type, 'later');
    await receiver.close();
    const away = await post();
    assert.deepEqual([away.type, JSON.stringify(away).includes(receiver.url)], ['later', false]);
  });
});

async function startReceiver() {
  const got: { headers: Record<string, unknown>; body: string }[] = [];
  const server = createServer(async (req, res) => {
    got.push({ headers: req.headers, body: await text(req) });
    res.writeHead(receiver.answer.status, receiver.answer.headers).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  async function close(): Promise<void> {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
  const receiver = {
    got,
    answer: { status: 200, headers: {} as Record<string, string> },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/T00/secret`,
    close,
    [Symbol.asyncDispose]: close,
  };
  return receiver;
}
