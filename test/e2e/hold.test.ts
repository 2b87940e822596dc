import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { FunctionDetail, FunctionSummary } from '../../core/api.ts';
import type { LogLine, PushRecord } from '../../core/deploy.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

const cli = join(import.meta.dirname, '../../ui/cli/main.ts');

describe('hold: builds go on, deploys wait', () => {
  let product: Product;
  let source: Clone;
  const answer = async () => (await product.call('demo', '/hello')).body;
  const towline = async (...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_DATA: product.dataDir, TOWLINE_OWNER: 'demo' };
    return (await promisify(execFile)(process.execPath, [cli, ...args], { env })).stdout;
  };
  const history = () => product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));

  const detail = () => product.api<FunctionDetail>('GET', apiPaths.function('demo', 'hello'));
  /** Newest first: commit subject and state of each push's deploy. */
  const deploys = async () =>
    (await product.api<PushRecord[]>('GET', apiPaths.pushes('demo'))).map(
      ({ state, deploys: [deploy] }) => `${deploy?.sourceSubject} ${deploy?.state} ${state}`,
    );
  const hold = () => product.api('POST', apiPaths.hold('demo', 'hello'), { reason: 'a fair' });

  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('builds a push to a held function, says who holds it, and serves what was live', async () => {
    assert.match(
      await towline('hold', 'hello', '--reason', 'a demo is on'),
      /hello is held: #2 \(gitops [0-9a-f]{7}\)/,
    );
    const { terminal } = await push(source, 'Two', { 'hello/handler.js': nodeHandler('two') });
    assert.match(terminal, /==> hello is built and held, not live: held by \S+ since 20.*: a demo is on/);
    assert.doesNotMatch(terminal, /is live: http/);
    assert.equal(await answer(), 'one');
  });

  it('shows it as held, by whom and why, with what it serves and what waits', async () => {
    const { summary, entry } = await eventually('the hold is applied', async () => {
      const found = await detail();
      return found.entry?.hold ? found : undefined;
    });
    assert.deepEqual([summary.status, summary.serving, entry?.status], ['Held', 'Ready', 'Ready']);
    assert.deepEqual([summary.hold?.by, summary.hold?.reason], ['demo', 'a demo is on']);
    assert.equal(summary.waiting?.sourceSubject, 'Two');
    assert.equal(summary.waiting?.number, null);
    assert.match(await towline('list'), /hello +Held +#2/);
    assert.match(await towline('status', 'hello'), /held by demo since 20.*: a demo is on/);
    assert.match(await towline('status', 'hello'), /waits: [0-9a-f]{7} Two/);
    const [row] = JSON.parse(await towline('--json', 'list')) as FunctionSummary[];
    assert.equal(row?.hold?.by, 'demo');
  });

  it('deploys the newest push that waited once the function is resumed', async () => {
    assert.match(
      await towline('resume', 'hello'),
      /hello is resumed: #3 \(gitops [0-9a-f]{7}\)\n[0-9a-f]{7} Two waited and goes live\n/,
    );
    await eventually('the push that waited', async () => (await answer()) === 'two');
    assert.deepEqual(
      (await history()).map(({ kind, number }) => `${kind} ${number}`),
      ['deploy 4', 'resume 3', 'hold 2', 'deploy 1'],
    );
    await eventually('the record follows', async () => (await deploys())[0] === 'Two live done');
    const { summary } = await detail();
    assert.deepEqual([summary.status, summary.hold, summary.waiting], ['Ready', null, null]);
    const { pushId, number } = summary.lastDeploy ?? {};
    assert.equal(number, 4);
    const lines = (await product.api<LogLine[]>('GET', apiPaths.log(pushId ?? ''))).map(({ text }) => text);
    assert.ok(
      lines.findIndex((text) => /held by demo/.test(text)) <
        lines.findIndex((text) => /committed as #4/.test(text)),
      lines.join('\n'),
    );
    assert.match(lines.at(-1) ?? '', /hello is live/);
  });

  it('takes back the newest deploy, and lists no removals', async () => {
    const [newest] = await history();
    await product.api('POST', apiPaths.undo('demo', 'hello'), {
      commit: newest?.commit,
      reason: 'two is wrong',
    });
    await eventually('the version before', async () => (await answer()) === 'one');
    assert.equal(await towline('removals'), 'no removal waits\n');
  });

  it('supersedes what waited by what waits now, and carries it on when a person resumes in git after a restart', async () => {
    await hold();
    await push(source, 'Three', { 'hello/handler.js': nodeHandler('three') });
    await push(source, 'Four', { 'hello/handler.js': nodeHandler('four') });
    await eventually('the older one gives way', async () => {
      const [four, three] = await deploys();
      return four === 'Four held done' && three === 'Three superseded done';
    });
    await product.kill();
    await product.start();
    assert.equal((await detail()).summary.waiting?.sourceSubject, 'Four');
    using gitOps = await cloneGitOps(product);
    await gitOps.git('revert', '--no-edit', 'HEAD');
    await gitOps.git('push', '-q');
    await eventually('what waited is live', async () => (await answer()) === 'four');
    await eventually('the record follows', async () => (await deploys())[0] === 'Four live done');
  });

  it('ends the record of a push that another deploy made pointless while it waited', async () => {
    await hold();
    await push(source, 'Five', { 'hello/handler.js': nodeHandler('five') });
    const first = (await history()).find(({ number }) => number === 1);
    await product.api('POST', apiPaths.revert('demo', 'hello'), {
      toCommit: first?.commit,
      reason: 'back to one',
    });
    await eventually('it gives way', async () => (await deploys())[0] === 'Five superseded done');
    await eventually('the rollback', async () => (await answer()) === 'one');
    assert.equal((await detail()).summary.waiting, null);
  });

  it('lets nothing go when a held function is rolled back to the version before its hold', async () => {
    await push(source, 'Calm', { 'hello/handler.js': nodeHandler('calm') });
    const [calm] = await history();
    await hold();
    await push(source, 'Loud', { 'hello/handler.js': nodeHandler('loud') });
    await product.api('POST', apiPaths.revert('demo', 'hello'), { toCommit: calm?.commit, reason: 'calm' });
    await eventually('it gives way', async () => (await deploys())[0] === 'Loud superseded done');
    await eventually('the rollback is applied', async () => (await detail()).summary.status === 'Ready');
    assert.equal(await answer(), 'calm');
    assert.equal((await history())[0]?.kind, 'revert');
  });

  it('does not deploy a push that was taken back while the function was held', async () => {
    await hold();
    await push(source, 'Evil', { 'hello/handler.js': nodeHandler('evil') });
    assert.equal((await detail()).summary.waiting?.sourceSubject, 'Evil');
    await source.git('reset', '-q', '--hard', 'HEAD^^');
    await source.git('push', '-q', '-f', 'origin', 'main');
    await eventually('it gives way', async () =>
      (await deploys()).some((line) => line === 'Evil superseded done'),
    );
    await towline('resume', 'hello');
    await eventually('the resume is applied', async () => (await detail()).summary.status === 'Ready');
    assert.equal(await answer(), 'calm');
    assert.equal((await history())[0]?.kind, 'resume');
  });

  it('goes on after a kill at any moment of a resume', async () => {
    for (const [at, afterMs] of [0, 5, 20, 60, 150].entries()) {
      await hold();
      const text = `kill ${at}`;
      await push(source, text, { 'hello/handler.js': nodeHandler(text) });
      const resumed = product.api('POST', apiPaths.resume('demo', 'hello'), {}).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await product.kill();
      await resumed;
      await product.start();
      await product.api('POST', apiPaths.resume('demo', 'hello'), {});
      await eventually(`${text} is live`, async () => (await answer()) === text);
      await eventually(`${text} is recorded`, async () => (await deploys())[0] === `${text} live done`);
      const made = (await history()).filter(
        ({ kind, subject }) => kind === 'deploy' && subject.endsWith(text),
      );
      assert.equal(made.length, 1);
    }
  });
});
