import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FunctionDetail } from '../../core/api.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

const classicStack = `version: 1.0
provider:
  name: openfaas
functions:
  upper:
    lang: python3
    handler: ./upper
`;

describe('what a function answers besides its own', () => {
  let product: Product;
  let source: Clone;
  const detail = (name: string) => product.api<FunctionDetail>('GET', apiPaths.function('demo', name));
  before(async () => {
    product = await Product.start({
      // It is asked how often it was started again: out of sleep it is another process that never was.
      env: { TOWLINE_IDLE_AFTER_MS: '3600000' },
    });
    source = await sourceRepository(product, 'demo', 'app');
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('is 503 with the reason while its first version is built, and after that failed', async () => {
    const script = 'node -e "setTimeout(()=>process.exit(3),1500)"';
    const pushed = push(source, 'First', {
      'stack.yml': nodeStack('hello'),
      'hello/handler.js': nodeHandler('one'),
      'hello/package.json': JSON.stringify({ name: 'hello', scripts: { test: script } }),
    });
    const building = await eventually('503 while it builds', async () => {
      const answer = await product.call('demo', '/hello');
      // Before that it is queued.
      return answer.status === 503 && /build/i.test(answer.body) && answer;
    });
    await pushed;
    const failed = await product.call('demo', '/hello');

    assert.ok(building.headers['retry-after']);
    assert.equal(failed.status, 503);
    assert.match(failed.body, /failed at build/);
    assert.ok(!failed.body.includes('exit code 3'), 'visitors are not shown what the build printed');
  });

  it('is Degraded while it restarts after a crash, then serves again', async () => {
    const handler = `module.exports = async (event, context) => {
  if (event.path === '/crash') setTimeout(() => process.exit(9), 10);
  return context.succeed('up ' + process.pid);
};\n`;
    await push(source, 'Crashable', { 'hello/handler.js': handler, 'hello/package.json': null });
    const before = (await product.call('demo', '/hello')).body;
    await product.call('demo', '/hello/crash');

    const after = await eventually('a new process', async () => {
      const answer = await product.call('demo', '/hello');
      return answer.status === 200 && answer.body !== before && answer.body;
    });
    assert.match(after, /^up \d+$/);
    assert.equal((await detail('hello')).entry?.restarts, 1);
  });

  it('runs the classic protocol: a process per request, its body on standard input', async () => {
    await push(source, 'Classic', {
      'stack.yml': `${classicStack}`,
      hello: null,
      'upper/handler.py': 'def handle(req):\n    return req.upper()\n',
    });
    const answer = await product.call('demo', '/upper', { method: 'POST', body: 'quiet' });

    assert.equal(answer.status, 200);
    assert.equal(answer.body.trim(), 'QUIET');
  });
});

describe('a function that nobody asks for', () => {
  it('sleeps when idle, and wakes on a request', async () => {
    await using product = await Product.start({ env: { TOWLINE_IDLE_AFTER_MS: '700' } });
    using source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'First', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
    await eventually('hello to sleep', async () => {
      const { summary } = await product.api<FunctionDetail>('GET', apiPaths.function('demo', 'hello'));
      return summary.status === 'Asleep';
    });
    const answer = await product.call('demo', '/hello');

    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'one');
  });
});
