import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stackFiles } from '../../builder/pipeline/platform-in-memory.test.ts';
import { startAuditReceiver } from '../../runtime/audit/audit-receiver-fixture.ts';
import { dashboard, startForgePlatform } from './forge-platform.ts';

type Platform = Awaited<ReturnType<typeof startForgePlatform>>;

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const runs = ({ github }: Platform, commit: string) =>
  Object.fromEntries(
    github.state.checkRuns.filter((run) => run.headSha === commit).map((run) => [run.name, run]),
  );

describe('what GitHub shows of a push', () => {
  it('goes through queued and in progress to success with the URL, once the function is live', async () => {
    await using platform = await startForgePlatform();
    const gate = platform.engine.gate('acme/shop/hello');
    const { commit, status } = await platform.push(stackFiles({ hello: 'one' }));
    assert.equal(status, 202);
    await gate.entered;
    await until('both runs are in progress', () => {
      const seen = runs(platform, commit);
      return ['towline', 'towline/hello'].every((name) => seen[name]?.status === 'in_progress');
    });
    gate.open();
    await platform.builder().drain();

    const { towline, 'towline/hello': hello, ...others } = runs(platform, commit);
    assert.deepEqual(others, {});
    assert.equal(platform.github.state.checkRuns.length, 2);
    assert.equal(hello?.conclusion, 'success');
    assert.match(hello.output.title ?? '', /^Live in \d+\.\d s$/);
    assert.match(hello.output.summary ?? '', /https:\/\/acme\.example\.org\/hello/);
    assert.match(hello.detailsUrl ?? '', new RegExp(`^${dashboard}/acme/pushes/`));
    assert.match(hello.output.text ?? '', /hello is live/);
    assert.equal(towline?.conclusion, 'success');
    for (const run of [hello, towline]) assert.equal(run.history.at(-1), 'success');
    assert.ok(hello.history.includes('in_progress'));

    const [deployment] = platform.github.state.deployments;
    assert.equal(platform.github.state.deployments.length, 1);
    assert.deepEqual(
      [deployment?.environment, deployment?.task, deployment?.sha],
      ['production', 'deploy:hello', commit],
    );
    const last = deployment?.statuses.at(-1);
    assert.deepEqual([last?.state, last?.environmentUrl], ['success', 'https://acme.example.org/hello']);
  });

  it('marks the line of a stack file that is wrong', async () => {
    await using platform = await startForgePlatform();
    const files = stackFiles({ hello: 'one' });
    const { commit } = await platform.push({
      ...files,
      'stack.yml': (files['stack.yml'] ?? '').replace('lang: node', 'lang: nodee'),
    });
    await platform.builder().drain();
    const run = runs(platform, commit)['towline/hello'] ?? runs(platform, commit)['towline'];
    assert.equal(run?.conclusion, 'failure');
    assert.deepEqual(
      run.annotations.map((each) => [each.path, each.start_line, each.annotation_level]),
      [['stack.yml', 6, 'failure']],
    );
    assert.match(run.output.title ?? '', /^Stack file failed: stack\.yml:6/);
  });

  it('fails with the cause, shows what failed first, and breaks out of no block', async () => {
    await using platform = await startForgePlatform();
    const { commit } = await platform.push(stackFiles({ hello: 'fail', fine: 'lines 3' }));
    await platform.builder().drain();
    const seen = runs(platform, commit);
    assert.equal(seen['towline/hello']?.conclusion, 'failure');
    assert.equal(seen['towline/hello'].output.title, 'Build failed: the tests failed');
    assert.match(seen['towline/hello'].output.text ?? '', /^\*\*What failed\*\*\n\n```text\n/);
    assert.equal(seen['towline/fine']?.conclusion, 'success');
    assert.match(seen['towline/fine'].output.text ?? '', /line 3/);
    assert.equal(seen['towline']?.conclusion, 'failure');
    assert.match(seen['towline'].output.title ?? '', /^1 of 2 live; hello: Build failed/);
    const hello = platform.github.state.deployments.find(({ task }) => task === 'deploy:hello');
    assert.equal(hello?.statuses.at(-1)?.state, 'failure');
  });

  it('tells the end when GitHub is back that was away during the whole deploy', async () => {
    await using platform = await startForgePlatform();
    const { github } = platform;
    // The source is fetched with a token: only feedback meets the outage.
    const gate = platform.engine.gate('acme/shop/hello');
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await gate.entered;
    github.faults.away = true;
    gate.open();
    await until('the function is live', () => platform.reconciler.state.served.size > 0);
    await until('GitHub was tried', () => github.calls.some((call) => call.status === 0));
    assert.notEqual(runs(platform, commit)['towline/hello']?.conclusion, 'success');
    await platform.restart();
    github.faults.away = false;
    await until('the end is told', () =>
      ['towline', 'towline/hello'].every((name) => runs(platform, commit)[name]?.conclusion === 'success'),
    );
    assert.equal(github.state.checkRuns.length, 2);
  });

  it('makes no second run when the answer to the first was lost', async () => {
    await using platform = await startForgePlatform();
    const { github } = platform;
    github.faults.losesNextAnswer = ({ name }) => name === 'POST /repos/{owner}/{repo}/check-runs';
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await until('the end is told', () =>
      ['towline', 'towline/hello'].every((name) => runs(platform, commit)[name]?.conclusion === 'success'),
    );
    assert.equal(github.state.checkRuns.length, 2);
  });

  it('waits as long as a limit asks for, and then tells the end', async () => {
    await using platform = await startForgePlatform();
    const { github } = platform;
    const gate = platform.engine.gate('acme/shop/hello');
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await gate.entered;
    await until('it is in progress', () => runs(platform, commit)['towline/hello']?.status === 'in_progress');
    const reset = Math.ceil((Date.now() + 1000) / 1000) * 1000;
    github.limitPrimary(reset);
    const before = github.calls.length;
    gate.open();
    await until('the end is told', () =>
      ['towline', 'towline/hello'].every((name) => runs(platform, commit)[name]?.conclusion === 'success'),
    );
    const refused = github.calls.slice(before).filter((call) => call.status === 403);
    // Another request may have been under way when the first was refused.
    assert.ok(refused.length >= 1 && refused.length <= 2, `${refused.length} requests met the limit`);
    assert.ok(Date.now() >= reset);
    github.limitSecondary(1, 'POST /repos/{owner}/{repo}/check-runs');
    const second = await platform.push(stackFiles({ hello: 'two' }));
    await until('the second end is told', () =>
      ['towline', 'towline/hello'].every(
        (name) => runs(platform, second.commit)[name]?.conclusion === 'success',
      ),
    );
    assert.equal(github.state.checkRuns.length, 4);
  });

  it('tells what a push that was left alone is: neutral, without a red cross', async () => {
    await using platform = await startForgePlatform();
    const { before, after } = { before: '1'.repeat(40), after: '2'.repeat(40) };
    const payload = { ...platform.base('push'), ref: 'refs/heads/feature', before, after };
    await platform.github.deliver('push', payload);
    await platform.builder().drain();
    const run = runs(platform, after)['towline'];
    assert.equal(run?.conclusion, 'neutral');
    assert.match(run.output.title ?? '', /^Skipped: only the branch main is deployed/);
    assert.equal(platform.github.state.deployments.length, 0);
  });

  it('replaces the deployment before it, and builds again at the press of "re-run"', async () => {
    await using platform = await startForgePlatform();
    const { github } = platform;
    await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    const { commit } = await platform.push(stackFiles({ hello: 'two' }));
    await platform.builder().drain();
    const last = () => github.state.deployments.map(({ statuses }) => statuses.at(-1)?.state).join();
    await until('the second took the place of the first', () => last() === 'inactive,success');
    const run = runs(platform, commit)['towline'];
    assert.ok(run);
    const payload = platform.base('check_run');
    const known = payload['check_run'] as Record<string, unknown>;
    const suite = { ...(known['check_suite'] as object), head_sha: commit };
    const app = { ...(known['app'] as object), id: github.app.id };
    await github.deliver('check_run', {
      ...payload,
      ...{ action: 'rerequested', requested_action: undefined },
      check_run: {
        ...known,
        id: run.id,
        external_id: run.externalId,
        head_sha: commit,
        check_suite: suite,
        app,
      },
    });
    await platform.builder().drain();
    await until('all are completed', () =>
      github.state.checkRuns.every(({ status }) => status === 'completed'),
    );
    const names = github.state.checkRuns.filter((each) => each.headSha === commit).map(({ name }) => name);
    assert.deepEqual(names.sort(), ['towline', 'towline', 'towline/hello', 'towline/hello']);
  });

  it('ends with a log line, and is not tried for ever, where the App may not write checks', async () => {
    await using platform = await startForgePlatform();
    for (const installation of platform.github.state.installations)
      installation.permissions = { contents: 'read', metadata: 'read' };
    await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    assert.equal(platform.github.state.checkRuns.length, 0);
    assert.ok(platform.logged.some((line) => line.includes('feedback is not wanted and was dropped')));
    const refused = () => platform.github.calls.filter((call) => call.status >= 400).length;
    const before = refused();
    assert.ok(before > 0);
    await platform.restart();
    await platform.builder().drain();
    assert.equal(refused(), before);
  });

  it('finds a repository that was renamed meanwhile, and follows no redirect', async () => {
    await using platform = await startForgePlatform();
    const { github, repository } = platform;
    const gate = platform.engine.gate('acme/shop/hello');
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await gate.entered;
    await until('it is in progress', () => runs(platform, commit)['towline/hello']?.status === 'in_progress');
    repository.name = 'store';
    repository.formerPath = 'Acme/shop';
    gate.open();
    await until('the end is told', () =>
      ['towline', 'towline/hello'].every((name) => runs(platform, commit)[name]?.conclusion === 'success'),
    );
    assert.equal(github.state.checkRuns.length, 2);
    assert.ok(github.calls.some((call) => call.status === 301));
    assert.ok(!github.calls.some((call) => call.path.startsWith('/repositories/')));
  });

  it('tells of every end to the receiver of audit events, once it is there', async () => {
    await using receiver = await startAuditReceiver();
    receiver.answer = { status: 503, headers: {} };
    await using platform = await startForgePlatform({ auditWebhook: { url: receiver.url, secret: 's' } });
    await platform.push(stackFiles({ hello: 'one', rude: 'fail' }));
    await platform.builder().drain();
    assert.ok(platform.logged.filter((line) => line.includes('"msg":"audit"')).length === 2);
    await platform.restart();
    receiver.got.length = 0;
    receiver.answer = { status: 200, headers: {} };
    await until('both are told', () => platform.trail.counts().waiting === 0);
    const told = receiver.events('s');
    assert.deepEqual(told.map(({ functionName, action, result }) => [functionName, action, result]).sort(), [
      ['hello', 'deploy', 'live'],
      ['rude', 'deploy', 'failed'],
    ]);
    await platform.builder().drain();
    assert.equal(platform.logged.filter((line) => line.includes('"msg":"audit"')).length, 2);
  });

  it('speaks in commit statuses where checks are not wanted', async () => {
    await using platform = await startForgePlatform({ commitStatuses: true });
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    assert.equal(platform.github.state.checkRuns.length, 0);
    const last = new Map(platform.github.state.statuses.map((each) => [each.context, each]));
    assert.deepEqual([...last.keys()].sort(), ['towline', 'towline/hello']);
    for (const status of last.values()) {
      assert.deepEqual([status.state, status.sha], ['success', commit]);
      assert.match(status.targetUrl ?? '', new RegExp(`^${dashboard}/acme/pushes/`));
    }
  });
});
