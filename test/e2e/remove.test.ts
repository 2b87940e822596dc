import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RemovalResult } from '../../core/api.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { runProcess } from '../../runtime/run-process.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product, packageDir } from './product.ts';

const settings = `environments:
  - name: staging
    branches: [main]
  - name: production
    tags: ['v*']
    promotesFrom: staging
`;

describe('functions that a person removes', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'towline-e2e-'));
  let product: Product;
  let source: Clone;
  const status = async (environment: string, name: string) => {
    const host = `demo.${environment}.localhost:${product.port}`;
    return (await product.request(`/${name}`, { host })).status;
  };
  const gone = (environment: string, name: string) =>
    eventually(`${name} to be gone`, async () => (await status(environment, name)) === 404);
  const towline = (...args: string[]) =>
    runProcess({
      command: process.execPath,
      args: [join(packageDir, 'ui/cli/main.ts'), ...args],
      env: { PATH: process.env['PATH'] ?? '', TOWLINE_DATA: dataDir },
      timeoutMs: 60_000,
    });

  before(async () => {
    writeFileSync(join(dataDir, 'towline.yaml'), settings);
    product = await Product.start({ dataDir });
    source = await sourceRepository(product, 'demo', 'app');
    const names = ['cart', 'hello', 'pay'];
    const handlers = names.map((name) => [`${name}/handler.js`, nodeHandler(name)]);
    await push(source, 'All', { 'stack.yml': nodeStack(...names), ...Object.fromEntries(handlers) });
    await source.git('tag', 'v1');
    await source.git('push', 'origin', 'v1');
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  it('goes from an environment that only tags feed, and from there alone', async () => {
    assert.equal(await status('production', 'hello'), 200);
    const { stdout, exitCode, stderr } = await towline(
      ...['remove', 'hello', '-e', 'production', '--reason', 'replaced by cart'],
    );
    assert.equal(exitCode, 0, stderr);
    assert.match(String(stdout), /^hello is removed from production \(gitops [0-9a-f]{7}\)\n.*comes back/);
    await gone('production', 'hello');
    assert.equal(await status('staging', 'hello'), 200);
    assert.equal(await status('production', 'cart'), 200);
    const path = apiPaths.history('demo', 'hello', { environment: 'production' });
    const [newest] = await product.api<HistoryEntry[]>('GET', path);
    assert.deepEqual(
      [newest?.kind, newest?.reason, newest?.actor, newest?.present],
      ['remove', 'replaced by cart', 'demo', false],
    );
  });

  it('is brought back by a git revert of its removal', async () => {
    using gitOps = await cloneGitOps(product);
    await gitOps.git('revert', '--no-edit', 'HEAD');
    await gitOps.git('push', 'origin', 'HEAD:main');
    await eventually('hello is back', async () => (await status('production', 'hello')) === 200);
  });

  it('comes back with the next push while its stack.yml names it', async () => {
    await product.api('DELETE', apiPaths.removeFunction('demo', 'pay', { environment: 'staging' }));
    await gone('staging', 'pay');
    await push(source, 'Pay more', { 'pay/handler.js': nodeHandler('more') });
    assert.equal(await status('staging', 'pay'), 200);
    assert.equal(await status('staging', 'hello'), 200);
  });

  it('goes with its whole repository, in one environment and one commit', async () => {
    const path = apiPaths.removeFunctions('demo', { repo: 'app', environment: 'production' });
    const { functionNames, commit } = await product.api<RemovalResult>('DELETE', path);
    assert.deepEqual(functionNames, ['cart', 'hello', 'pay']);
    for (const name of functionNames) await gone('production', name);
    assert.equal(await status('staging', 'cart'), 200);
    using gitOps = await cloneGitOps(product);
    const changed = await gitOps.git('show', '--format=', '--name-only', commit ?? '');
    assert.deepEqual(
      changed.split('\n').sort(),
      functionNames.map((name) => `environments/production/tenants/demo/${name}.yaml`),
    );
  });
});
