import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { auditSettings, auditWebhookOf } from './audit-settings.ts';

const webhook = (env: Record<string, string>) => auditWebhookOf(readConfig(auditSettings, env));

test('the receiver of audit events and its secret stand in files', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-audit-'));
  try {
    const [url, secret] = [join(dir, 'url'), join(dir, 'secret')];
    writeFileSync(url, 'https://hooks.example.org/T00/x\n');
    writeFileSync(secret, 's3\n');
    const env = { TOWLINE_AUDIT_WEBHOOK_FILE: url, TOWLINE_AUDIT_SECRET_FILE: secret };
    assert.deepEqual(webhook(env), { url: 'https://hooks.example.org/T00/x', secret: 's3' });
    assert.equal(webhook({}), undefined);
    writeFileSync(url, 'not a url');
    assert.throws(() => webhook(env), { code: 'config_invalid' });
    rmSync(url);
    assert.throws(() => webhook(env), { code: 'config_invalid' });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
