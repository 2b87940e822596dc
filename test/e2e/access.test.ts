import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FunctionDetail } from '../../core/api.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

/** Of a stack file with one function, which is its last. */
function withAccess(access: string): string {
  return `${nodeStack('hello').trimEnd()}\n    annotations: { towline.dev/access: ${access} }\n`;
}

describe('a function that its author has closed', () => {
  let product: Product;
  let source: Clone;
  const ask = (headers: Record<string, string> = {}) =>
    product.request('/hello', { host: `demo.localhost:${product.port}`, headers });
  const isReady = () =>
    eventually('the function is ready', async () => {
      const { summary } = await product.api<FunctionDetail>('GET', apiPaths.function('demo', 'hello'));
      return summary.status === 'Ready';
    });
  const token = () => ({ authorization: `Bearer ${product.token}` });
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'Closed', {
      'stack.yml': withAccess('owner'),
      'hello/handler.js': nodeHandler('for my eyes'),
    });
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('answers its owner, by an API token, and nobody else', async () => {
    const refused = await ask();
    assert.equal(refused.status, 401);
    assert.doesNotMatch(refused.body, /for my eyes/);
    assert.equal((await ask({ authorization: 'Bearer towline_pat_of_somebody' })).status, 401);
    const answer = await ask(token());
    assert.deepEqual([answer.status, answer.body], [200, 'for my eyes']);
  });

  it('answers its owner’s browser at the platform’s address, where it is logged in', async () => {
    const login = await product.request(
      new URL(product.ready.loginUrl).pathname + new URL(product.ready.loginUrl).search,
    );
    const cookie = String(login.headers['set-cookie']).split(';')[0] ?? '';
    const opened = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    const page = await product.request('/~demo/hello', { headers: { cookie, ...opened } });
    assert.deepEqual([page.body, page.headers['cache-control']], ['for my eyes', 'private, no-store']);
    assert.equal((await product.request('/~demo/hello', { headers: opened })).status, 401);
    assert.equal((await product.request('/~demo/hello', { headers: { cookie } })).status, 401);
    assert.equal((await ask({ cookie })).status, 401);
  });

  it('is still closed after a restart, and open to everybody once its author says so', async () => {
    await product.kill();
    await product.start();
    await isReady();
    assert.equal((await ask()).status, 401);
    await push(source, 'Open', { 'stack.yml': withAccess('public') });
    assert.equal((await ask()).body, 'for my eyes');
    await push(source, 'Closed again', { 'stack.yml': withAccess('members') });
    await product.kill();
    await product.start();
    await isReady();
    assert.equal((await ask()).status, 401);
    assert.equal((await ask(token())).status, 200);
  });
});
