import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import type { PushRecord } from '../../core/deploy.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product, packageDir } from './product.ts';

describe('towline cancel and rebuild', () => {
  let product: Product;
  let source: Clone;
  const towline = async (...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_DATA: product.dataDir, TOWLINE_OWNER: 'demo' };
    const child = spawn(process.execPath, [join(packageDir, 'ui/cli/towline.js'), ...args], { env });
    const exited = once(child, 'exit') as Promise<[number]>;
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { stdout, stderr, code };
  };
  const newest = async () => (await product.api<PushRecord[]>('GET', apiPaths.pushes('demo')))[0];
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('stops a build that hangs, with the name of who did it; the old version serves', async () => {
    const pushing = push(source, 'Hang', {
      'hello/handler.js': nodeHandler('two'),
      'hello/package.json': JSON.stringify({ scripts: { test: 'sleep 600' } }),
    });
    await eventually('the build', async () => (await newest())?.deploys[0]?.state === 'building');
    const { stdout, stderr, code } = await towline('cancel');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^the push of [0-9a-f]{7} to app is being stopped\n$/);
    await pushing;
    const [deploy] = (await newest())?.deploys ?? [];
    assert.deepEqual([deploy?.state, deploy?.cause?.code], ['failed', 'build_cancelled']);
    assert.match(deploy?.cause?.message ?? '', /^stopped by ./);
    assert.equal((await product.call('demo', '/hello')).body, 'one');
    assert.equal((await towline('cancel')).code, 5, 'nothing runs any more');
  });

  it('reuses what has not changed, and builds it again by force', async () => {
    const { stdout } = await push(source, 'Two', {
      'hello/package.json': null,
      'hello/handler.js': nodeHandler('two'),
    })
      .then(() => push(source, 'Words', { 'README.md': 'words\n' }))
      .then(() => towline('logs', 'hello', '--build'));
    assert.match(stdout, /unchanged: reusing sha256:[0-9a-f]{64} of build [0-9a-f]{7}\n/);
    assert.match(stdout, /nothing to change since deploy #2 /);
    assert.equal((await towline('rebuild', '--force')).code, 0);
    await eventually('the end of the rebuild', async () => (await newest())?.state === 'done');
    assert.doesNotMatch((await towline('logs', 'hello', '--build')).stdout, /unchanged: reusing/);
  });

  it('takes back what waits for a hold: resuming brings nothing', async () => {
    assert.equal((await towline('hold', 'hello', '--reason', 'a demo is on')).code, 0);
    await push(source, 'Three', { 'hello/handler.js': nodeHandler('three') });
    const waiting = await newest();
    assert.deepEqual([waiting?.state, waiting?.deploys[0]?.state], ['done', 'held']);
    const { code, stderr } = await towline('cancel', waiting?.after.slice(0, 7) ?? '');
    assert.equal(code, 0, stderr);
    const cancelled = await eventually('the end of what waited', async () => {
      const deploy = (await newest())?.deploys[0];
      return deploy?.state === 'failed' ? deploy : undefined;
    });
    assert.equal(cancelled.cause?.code, 'build_cancelled');
    const resumed = await towline('resume', 'hello');
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.doesNotMatch(resumed.stdout, /waited and goes live/);
    // A later deploy comes after whatever the resume had released.
    await push(source, 'Four', { 'hello/handler.js': nodeHandler('four') });
    await eventually('the push after it', async () => (await product.call('demo', '/hello')).body === 'four');
    const history = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
    assert.ok(!history.some(({ sourceCommit }) => sourceCommit === waiting?.after));
  });
});
