import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Octokit } from 'octokit';
import { startGitHubDouble } from './github-double.ts';

test('the double of GitHub is used by its own client, and says nothing that GitHub would not', async () => {
  await using github = await startGitHubDouble();
  const { id, repositories } = github.install({ login: 'Acme' }, [{ name: 'shop' }]);
  const app = new App({
    appId: github.app.id,
    privateKey: github.app.privateKey,
    Octokit: Octokit.defaults({ baseUrl: github.origin, throttle: { enabled: false } }),
  });
  const repo = { owner: 'acme', repo: 'shop' };
  const found = await app.octokit.request('GET /repos/{owner}/{repo}/installation', repo);
  assert.equal(found.data.id, id);
  const octokit = await app.getInstallationOctokit(id);
  const made = await octokit.rest.checks.create({ ...repo, name: 'towline', head_sha: 'a'.repeat(40) });
  const updated = await octokit.rest.checks.update({
    ...repo,
    check_run_id: made.data.id,
    conclusion: 'success',
    output: { title: 'Live', summary: 'Live' },
  });
  assert.equal(updated.data.status, 'completed');
  const listed = await octokit.rest.checks.listForRef({
    ...repo,
    ref: 'a'.repeat(40),
    check_name: 'towline',
  });
  assert.equal(listed.data.total_count, 1);
  const deployment = await octokit.rest.repos.createDeployment({
    ...repo,
    ref: 'a'.repeat(40),
    required_contexts: [],
    auto_merge: false,
  });
  assert.equal(deployment.status, 201);
  const deployment_id = (deployment.data as { id: number }).id;
  await octokit.rest.repos.createDeploymentStatus({ ...repo, deployment_id, state: 'success' });
  await octokit.rest.repos.createCommitStatus({ ...repo, sha: 'a'.repeat(40), state: 'pending' });
  await octokit.rest.repos.listCommitStatusesForRef({ ...repo, ref: 'a'.repeat(40) });
  await octokit.rest.repos.listBranches(repo);
  await octokit.rest.repos.get(repo);
  const all = await octokit.rest.apps.listReposAccessibleToInstallation();
  assert.equal(all.data.repositories[0]?.id, repositories[0]?.id);
  await github.deliver('ping', { zen: 'x' });
  const deliveries = await app.octokit.rest.apps.listWebhookDeliveries();
  assert.equal(deliveries.data.length, 1);
  await app.octokit.rest.apps.getWebhookDelivery({ delivery_id: deliveries.data[0]!.id });
  await app.octokit.rest.apps.redeliverWebhookDelivery({ delivery_id: deliveries.data[0]!.id });
  await new Octokit({ baseUrl: github.origin }).rest.apps.createFromManifest({
    code: github.acceptManifest(),
  });
  await app.octokit.rest.apps.listInstallations();
  await app.octokit.rest.apps.getAuthenticated();
  assert.deepEqual(github.violations, []);
});

test('what is not as described is a violation', async () => {
  const github = await startGitHubDouble();
  github.install({ login: 'Acme' }, [{ name: 'shop' }]);
  await fetch(`${github.origin}/repos/acme/shop/check-runs`, { method: 'POST', body: '{"name":1}' });
  assert.equal(github.violations.length, 1);
  await assert.rejects(async () => github[Symbol.asyncDispose](), /body.*head_sha/);
});
