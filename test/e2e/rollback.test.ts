import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { Product, packageDir } from './product.ts';

describe('towline rollback', () => {
  let product: Product;
  let source: Clone;
  const answer = async () => (await product.call('demo', '/hello')).body;
  const towline = async (...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_DATA: product.dataDir, TOWLINE_OWNER: 'demo' };
    const child = spawn(process.execPath, [join(packageDir, 'ui/cli/towline.js'), ...args], { env });
    const exited = once(child, 'exit') as Promise<[number]>;
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { stdout, stderr, code };
  };
  before(async () => {
    product = await Product.start({ env: { TOWLINE_READY_TIMEOUT_MS: '3000' } });
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
    await push(source, 'Bad', { 'hello/handler.js': "throw new Error('broken');\n" });
    await push(source, 'Three', { 'hello/handler.js': nodeHandler('three') });
    await push(source, 'Four', { 'hello/handler.js': nodeHandler('four') });
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('returns to the version before, and ends when that one is live', async () => {
    const { stdout, stderr, code } = await towline('rollback', 'hello');

    assert.equal(code, 0, stderr);
    assert.match(stdout, /^rolled back to #3 as #5; waiting until it is live\n/);
    assert.ok(stdout.endsWith(`\n==> hello is live: http://demo.localhost:${product.port}/hello\n`), stdout);
    assert.equal(await answer(), 'three');
  });

  it('goes further back the second time, past a version that never was live', async () => {
    const { stdout, code } = await towline('--json', 'rollback', 'hello');

    assert.equal(code, 0);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([result['number'], result['unchanged'], result['live']], [6, false, true]);
    assert.equal(await answer(), 'one');
  });

  it('says that there is no earlier version when the first one runs', async () => {
    const { stderr, code } = await towline('rollback', 'hello');

    assert.equal(code, 5);
    assert.match(stderr, /there is no earlier version/);
    assert.equal(await answer(), 'one');
  });

  it('says why a version is not live, when it was asked for by its number', async () => {
    const { stdout, stderr, code } = await towline('rollback', 'hello', '2');

    assert.equal(code, 7);
    assert.match(stdout, /rolled back to #2 as #7/);
    assert.match(stderr, /hello is not live: .*broken/);
    assert.equal(await answer(), 'one');
  });
});
