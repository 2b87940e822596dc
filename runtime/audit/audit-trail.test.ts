import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type AuditEvent, auditEvent } from '../../core/audit.ts';
import { createLogger } from '../logger.ts';
import { startAuditReceiver } from './audit-receiver-fixture.ts';
import { type AuditTrailConfig, openAuditTrail } from './audit-trail.ts';
import { createCountedAudit } from './counted-audit.ts';

function scene() {
  const dir = mkdtempSync(join(tmpdir(), 'towline-audit-'));
  const lines: string[] = [];
  const logger = createLogger(
    { level: 'info', name: 't' },
    { write: (line: string) => void lines.push(line) },
  );
  return {
    path: join(dir, 'audit.db'),
    logged: () => lines.filter((line) => line.includes('"msg":"audit"')).length,
    open: (config: Omit<AuditTrailConfig, 'path'> = {}) =>
      openAuditTrail(
        { path: join(dir, 'audit.db'), retry: { firstMs: 2, maxMs: 10 }, lookEveryMs: 5, ...config },
        { logger },
      ),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  };
}

const login = (id: string, more: object = {}) =>
  auditEvent({
    id,
    time: Date.now(),
    action: 'login',
    result: 'done',
    actor: 'alice',
    owner: 'alice',
    ...more,
  });

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('an audit trail', () => {
  it('logs each event once and posts it signed, however often it is recorded', async () => {
    using at = scene();
    await using receiver = await startAuditReceiver();
    await using trail = at.open({ webhook: { url: receiver.url, secret: 's3' } });
    trail.record(login('1'));
    trail.record(login('1', { reason: 'seen again' }));
    trail.record(login('2', { owner: null }));
    await trail.settled();
    assert.equal(at.logged(), 2);
    const told = receiver.events('s3').map(({ id, reason }) => [id, reason]);
    assert.deepEqual(told.sort(), [
      ['1', null],
      ['2', null],
    ]);
    assert.throws(() => receiver.events('another'), /wrong signature/);
    assert.equal(statSync(at.path).mode & 0o077, 0, 'it is for its owner alone');
  });

  it('keeps what a receiver that is away has not heard, through a restart, and logs it no second time', async () => {
    using at = scene();
    await using receiver = await startAuditReceiver();
    receiver.answer = { status: 503, headers: {} };
    const webhook = { url: receiver.url, secret: 's3' };
    {
      await using trail = at.open({ webhook });
      trail.record(login('1'));
      await trail.settled();
      assert.equal(trail.counts().waiting, 1);
    }
    receiver.got.length = 0;
    receiver.answer = { status: 200, headers: {} };
    await using trail = at.open({ webhook });
    await until('it is told', () => receiver.got.length === 1);
    await trail.settled();
    trail.record(login('1'));
    await trail.settled();
    assert.deepEqual([receiver.events('s3').length, at.logged(), trail.counts().waiting], [1, 1, 0]);
  });

  it('logs and posts what a command beside it recorded', async () => {
    using at = scene();
    await using receiver = await startAuditReceiver();
    await using trail = at.open({ webhook: { url: receiver.url, secret: 's3' } });
    {
      await using command = at.open({ isCommand: true });
      command.record(login('by-command'));
      assert.equal(at.logged(), 0);
    }
    await until('it is told and logged', () => receiver.got.length === 1 && at.logged() > 0);
    await trail.settled();
    assert.equal(receiver.events('s3')[0]?.id, 'by-command');
    assert.equal(at.logged(), 1);
  });

  it('logs what a command recorded though the receiver wants nothing for hours, and logs it once', async () => {
    using at = scene();
    await using receiver = await startAuditReceiver();
    receiver.answer = { status: 429, headers: { 'retry-after': '7200' } };
    const webhook = { url: receiver.url, secret: 's3' };
    {
      await using trail = at.open({ webhook });
      trail.record(login('own'));
      await until('the receiver has put it off', () => receiver.got.length === 1);
      await trail.settled();
      await using command = at.open({ isCommand: true });
      command.record(login('by-command'));
      await until('both are logged', () => at.logged() === 2);
      assert.deepEqual([receiver.got.length, trail.counts().waiting], [1, 2]);
    }
    receiver.answer = { status: 200, headers: {} };
    await using trail = at.open({ webhook });
    await until('both are told', () => trail.counts().waiting === 0);
    assert.equal(at.logged(), 2);
  });

  it('does not tell what was before there was one, and never fails whoever records', async () => {
    using at = scene();
    const trail = at.open();
    trail.record(login('old', { time: 1 }));
    assert.equal(at.logged(), 0);
    await trail[Symbol.asyncDispose]();
    assert.doesNotThrow(() => trail.record(login('late')));
  });
});

describe('what anybody can do as often as they like', () => {
  const refused = { action: 'login', result: 'refused', actor: 'somebody' } as const;

  it('is told at once, and then by its number', async () => {
    const told: { count: number; target: string | null }[] = [];
    using counted = createCountedAudit({ record: (event) => void told.push(event) }, { windowMs: 20 });
    for (let tries = 1; tries <= 100; tries += 1)
      counted.happened({ ...refused, reason: 'no such link', target: `try ${tries}` });
    assert.deepEqual(
      told.map(({ count }) => count),
      [1],
    );
    await until('the rest is told', () => told.length === 2);
    assert.deepEqual([told[1]?.count, told[1]?.target], [99, 'try 100']);
  });

  it('is not lost when the program ends', () => {
    const told: number[] = [];
    const counted = createCountedAudit({ record: ({ count }) => void told.push(count) });
    counted.happened(refused);
    counted.happened(refused);
    counted[Symbol.dispose]();
    assert.deepEqual(told, [1, 1]);
  });

  it('is told of whom it was: nobody is named for what somebody else did', () => {
    const told: (string | number)[][] = [];
    const counted = createCountedAudit({ record: ({ actor, count }) => void told.push([actor, count]) });
    for (let tries = 1; tries <= 9_999; tries += 1) counted.happened({ ...refused, actor: 'evil' });
    counted.happened({ ...refused, actor: 'innocent' });
    counted[Symbol.dispose]();
    assert.deepEqual(told, [
      ['evil', 1],
      ['innocent', 1],
      ['evil', 9_998],
    ]);
  });

  it('names nobody for what many did, of whom not each can be counted', () => {
    const told: [string, string | null, number][] = [];
    const trail = {
      record: (event: AuditEvent) => void told.push([event.actor, event.owner, event.count]),
    };
    const counted = createCountedAudit(trail, { maxKinds: 2 });
    for (const actor of ['a', 'b', 'c', 'd', 'c', 'a'])
      counted.happened({ ...refused, actor, owner: 'acme' });
    counted[Symbol.dispose]();
    assert.deepEqual(told, [
      ['a', 'acme', 1],
      ['b', 'acme', 1],
      ['a', 'acme', 1],
      ['several', 'acme', 3],
    ]);
  });
});
