import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { auditEvent, auditText } from '../../core/audit.ts';
import { startAuditReceiver } from './audit-receiver-fixture.ts';
import { postAudit } from './audit-webhook.ts';

const event = auditEvent({
  ...{ id: 'd1:live', time: 5, action: 'deploy', result: 'live', actor: 'alice' },
  ...{ owner: 'acme', functionName: 'hello', environment: 'default', commit: 'a'.repeat(40) },
  url: 'https://towline.example.org/acme/pushes/p1',
});

describe('audit events', () => {
  it('are one short line each, whatever people wrote', () => {
    const evil = auditEvent({ ...event, action: 'deploy', actor: 'a\r\nb\u202e', reason: 'x'.repeat(9000) });
    assert.equal(evil.actor, 'a b');
    assert.equal(evil.reason?.length, 500);
    const login = auditEvent({ id: '1', time: 1, action: 'login', result: 'refused', actor: 'somebody' });
    assert.equal(auditText({ ...login, count: 7 }), 'login by somebody: refused, 7 times');
    const removal = { ...login, owner: 'acme', target: 'Acme/a, Acme/b', environment: 'staging' };
    assert.equal(auditText(removal), 'login of Acme/a, Acme/b in staging by somebody: refused');
  });

  it('mention nobody in Slack, whatever users wrote', () => {
    const line = auditText({ ...event, actor: '<!channel>', reason: '<https://evil|x> & more' });
    assert.equal(
      line,
      `deploy of acme/hello by &lt;!channel&gt;: live: &lt;https://evil|x&gt; &amp; more <${event.url}|details>`,
    );
  });

  it('are signed with their time, and sent as JSON with a text', async () => {
    await using receiver = await startAuditReceiver();
    const how = { now: 1_700_000_000_000, signal: AbortSignal.timeout(120_000) };
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
    await using receiver = await startAuditReceiver();
    const post = () =>
      postAudit({ url: receiver.url }, event, { now: 1000, signal: AbortSignal.timeout(120_000) });
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
