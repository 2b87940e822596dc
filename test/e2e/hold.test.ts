import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
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

  it('deploys the newest push that waited once the function is resumed', async () => {
    assert.match(await towline('resume', 'hello'), /hello is resumed: #3/);
    await eventually('the push that waited', async () => (await answer()) === 'two');
    assert.deepEqual(
      (await history()).map(({ kind, number }) => `${kind} ${number}`),
      ['deploy 4', 'resume 3', 'hold 2', 'deploy 1'],
    );
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
});
