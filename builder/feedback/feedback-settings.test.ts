import assert from 'node:assert/strict';
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
