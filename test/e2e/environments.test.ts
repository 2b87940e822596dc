import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FunctionDetail, FunctionSummary, Me } from '../../core/api.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, nodeHandler, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

const settings = `policy:
  outOfBounds: clamp
environments:
  - name: staging
    branches: [staging]
    policy:
      limits: {memory: {max: 512Mi}}
  - name: production
    tags: ['v*']
    promotesFrom: staging
    policy:
      outOfBounds: clamp
      limits: {memory: {max: 64Mi}}
`;
const stack = `version: 1.0
provider:
  name: openfaas
functions:
  hello:
    lang: node
    handler: ./hello
    limits:
      memory: 128Mi
`;

describe('environments: branches, tags and promotions', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'towline-e2e-'));
  let product: Product;
  let source: Clone;
  let gitOps: Clone;
  const answer = async (environment?: string) => {
    const host = `demo.${environment ? `${environment}.` : ''}localhost:${product.port}`;
    const { status, body } = await product.request('/hello', { host });
    return status === 200 ? body : status;
  };
  const history = (environment: string) =>
    product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello', { environment }));
  const kinds = async (environment: string) => (await history(environment)).map(({ kind }) => kind);
  const answers = (environment: string, text: string | number) =>
    eventually(`"${text}" in ${environment}`, async () => (await answer(environment)) === text);

  before(async () => {
    writeFileSync(join(dataDir, 'towline.yaml'), settings);
    product = await Product.start({ dataDir });
    source = await sourceRepository(product, 'demo', 'app');
  });
  after(async () => {
    source?.[Symbol.dispose]();
    gitOps?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  it('serves each branch at the host of its environment', async () => {
    await push(source, 'One', { 'stack.yml': stack, 'hello/handler.js': nodeHandler('one') });
    const { terminal } = await push(
      source,
      'Two',
      { 'hello/handler.js': nodeHandler('two') },
      'HEAD:refs/heads/staging',
    );
    assert.match(
      terminal,
      new RegExp(`==> hello is live: http://demo\\.staging\\.localhost:${product.port}/hello`),
    );
    assert.equal(await answer(), 'one');
    assert.equal(await answer('staging'), 'two');
    assert.equal(await answer('production'), 404);
    const topic = await push(source, 'Topic', {}, 'HEAD:refs/heads/topic');
    assert.match(topic.terminal, /no environment takes the branch topic/);
    await source.git('reset', '-q', '--hard', 'HEAD~1');
  });

  it('promotes by a tag the digest that was tested, clamped by the policy there, in a commit that says where it is from', async () => {
    await source.git('tag', '-a', 'v1.0.0', '-m', 'First release');
    const { exitCode, stderr } = await source.try(['push', 'origin', 'v1.0.0']);
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /promote v1\.0\.0 \([0-9a-f]{7}\): from staging to production, without a build/);
    assert.match(
      stderr,
      /warning: hello: the memory limit "128Mi" is set to what the policy allows: at most "64Mi"/,
    );
    assert.match(
      stderr,
      new RegExp(`==> hello is live: http://demo\\.production\\.localhost:${product.port}/hello`),
    );
    assert.equal(await answer('production'), 'two');
    const [promoted] = await history('production');
    const [origin] = await history('staging');
    assert.equal(promoted?.kind, 'promote');
    assert.equal(promoted?.image, origin?.image);
    assert.equal(promoted?.reason, 'promoted from staging #1: tag v1.0.0');
    assert.deepEqual(await kinds('default'), ['deploy']);
  });

  it('says what is not promoted when the tag names another commit', async () => {
    await push(source, 'Three', { 'hello/handler.js': nodeHandler('three') }, 'HEAD:refs/heads/staging');
    await source.git('tag', 'v0.9', 'HEAD~2');
    const { stderr } = await source.try(['push', 'origin', 'v0.9']);
    assert.match(
      stderr,
      /==> hello was skipped: "staging" has [0-9a-f]{7} of it and never had v0\.9 \([0-9a-f]{7}\)/,
    );
    assert.equal(await answer('production'), 'two');
  });

  it('shows what each environment serves, and promotes by the API', async () => {
    const body = { from: 'staging', to: 'production', reason: 'tested by hand' };
    await product.api('POST', apiPaths.promote('demo', 'hello'), body);
    await answers('production', 'three');
    const me = await product.api<Me>('GET', apiPaths.me());
    assert.deepEqual(me.environments, ['staging', 'production', 'default']);
    const detail = await eventually('all environments to be ready', async () => {
      const shown = await product.api<FunctionDetail>('GET', apiPaths.function('demo', 'hello'));
      return shown.environments.every(({ status, number }) => status === 'Ready' && number !== null) && shown;
    });
    const rows = detail.environments.map(({ environment, number, current }) => [
      environment,
      number,
      current?.kind,
    ]);
    assert.deepEqual(rows, [
      ['staging', 2, 'deploy'],
      ['production', 2, 'promote'],
      ['default', 1, 'deploy'],
    ]);
    assert.equal(detail.summary.environment, 'default');
    const [row] = await product.api<FunctionSummary[]>(
      'GET',
      apiPaths.functions('demo', { environment: 'production' }),
    );
    assert.equal(row?.url, `http://demo.production.localhost:${product.port}/hello`);
    assert.equal(row?.number, 2);
  });

  it("follows a person's git revert of a promotion", async () => {
    gitOps = await cloneGitOps(product);
    const [promotion] = await history('production');
    assert.ok(promotion);
    await gitOps.git('revert', '--no-edit', promotion.commit);
    const { exitCode, stderr } = await gitOps.try(['push', 'origin', 'HEAD:main']);
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /==> hello in production is live: http:\/\/demo\.production\.localhost/);
    assert.equal(await answer('production'), 'two');
    assert.equal(await answer('staging'), 'three');
    const [newest, reverted] = await history('production');
    assert.deepEqual([newest?.kind, newest?.direct, newest?.restores], ['revert', true, 1]);
    assert.equal(reverted?.revertedBy, 3);
  });

  it('holds one environment and leaves the others alone', async () => {
    await product.api('POST', apiPaths.hold('demo', 'hello'), { environment: 'production', reason: 'audit' });
    await push(source, 'Four', { 'hello/handler.js': nodeHandler('four') }, 'HEAD:refs/heads/staging');
    assert.equal(await answer('staging'), 'four');
    await source.git('tag', 'v2.0.0');
    const { stderr } = await source.try(['push', 'origin', 'v2.0.0']);
    assert.match(
      stderr,
      /==> hello was skipped: held by \S+ since 20.*audit; promote it again once it is resumed/,
    );
    assert.equal(await answer('production'), 'two');
    await product.api('POST', apiPaths.resume('demo', 'hello'), { environment: 'production' });
    await product.api('POST', apiPaths.promote('demo', 'hello'), { from: 'staging', to: 'production' });
    await answers('production', 'four');
  });

  it('promotes the commit that was tagged, also when staging has a newer one by now', async () => {
    await push(source, 'Five', { 'hello/handler.js': nodeHandler('five') }, 'HEAD:refs/heads/staging');
    await push(source, 'Six', { 'hello/handler.js': nodeHandler('six') }, 'HEAD:refs/heads/staging');
    await source.git('tag', 'v3.0.0', 'HEAD~1');
    const { stderr } = await source.try(['push', 'origin', 'v3.0.0']);
    assert.match(stderr, /==> hello is live: http:\/\/demo\.production\./);
    assert.deepEqual([await answer('production'), await answer('staging')], ['five', 'six']);
  });

  it('lets nobody own the name of an environment, below which others have their hosts', async () => {
    await assert.rejects(product.createOwner('staging'), /is the name of an environment here/);
  });

  it('serves every environment again after a restart, and removes a deleted repository from all of them', async () => {
    await product.stop();
    await product.start();
    await answers('staging', 'six');
    await answers('production', 'five');
    await product.api('DELETE', apiPaths.repo('demo', 'app'));
    for (const environment of ['staging', 'production']) await answers(environment, 404);
    await eventually('the function to be gone', async () => (await answer()) === 404);
  });
});
