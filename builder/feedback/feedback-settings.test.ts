import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../../runtime/config.ts';
import { forgeSettings } from '../forge-settings.ts';
import type { GitHubApp } from '../github/github-app.ts';
import { feedbackOf, feedbackSettings } from './feedback-settings.ts';

const githubApp = {} as GitHubApp;

function feedback(env: Record<string, string>, app: GitHubApp | undefined = githubApp) {
  const settings = readConfig({ ...forgeSettings, ...feedbackSettings }, env);
  const withOrigin = { ...settings, publicOrigin: 'https://towline.example.org' };
  return feedbackOf(withOrigin, { githubApp: app, gitlabTokens: [] });
}

test('the settings say which forges are told, and how', () => {
  const gitlab = { TOWLINE_GITLAB_URL: 'https://gitlab.example.org' };
  const channels = (env: Record<string, string>, app?: GitHubApp | undefined) =>
    Object.keys(feedback(env, app).reporters).sort();
  assert.deepEqual(channels({}), ['github-checks', 'github-deployments']);
  assert.deepEqual(channels({ TOWLINE_FEEDBACK: 'statuses' }), ['github-deployments', 'github-statuses']);
  assert.deepEqual(channels(gitlab), [
    'github-checks',
    'github-deployments',
    'gitlab-deployments',
    'gitlab-statuses',
  ]);
  assert.deepEqual(channels({ ...gitlab, TOWLINE_FEEDBACK: 'off' }), []);
  assert.throws(() => feedback({ TOWLINE_FEEDBACK: 'loud' }), { code: 'config_invalid' });
});

test('the receiver of audit events and its secret stand in files', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-audit-'));
  try {
    const [url, secret] = [join(dir, 'url'), join(dir, 'secret')];
    writeFileSync(url, 'https://hooks.example.org/T00/x\n');
    writeFileSync(secret, 's3\n');
    const env = { TOWLINE_AUDIT_WEBHOOK_FILE: url, TOWLINE_AUDIT_SECRET_FILE: secret };
    assert.deepEqual(feedback(env).auditWebhook, { url: 'https://hooks.example.org/T00/x', secret: 's3' });
    assert.equal(feedback({}).auditWebhook, undefined);
    writeFileSync(url, 'not a url');
    assert.throws(() => feedback(env), { code: 'config_invalid' });
    rmSync(url);
    assert.throws(() => feedback(env), { code: 'config_invalid' });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
