import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

describe('use 4: what leaves the source leaves the platform, and nothing else does', () => {
  let product: Product;
  let shop: Clone;
  let other: Clone;
  const status = async (name: string) => (await product.call('demo', `/${name}`)).status;
  const gone = (name: string) => eventually(`${name} to be gone`, async () => (await status(name)) === 404);
  before(async () => {
    product = await Product.start();
    shop = await sourceRepository(product, 'demo', 'shop');
    other = await sourceRepository(product, 'demo', 'other');
    await push(other, 'Other', {
      'stack.yml': nodeStack('neighbour'),
      'neighbour/handler.js': nodeHandler('neighbour'),
    });
    const files = Object.fromEntries(
      ['cart', 'pay', 'search'].map((name) => [`${name}/handler.js`, nodeHandler(name)]),
    );
    await push(shop, 'Shop', { 'stack.yml': nodeStack('cart', 'pay', 'search'), ...files });
  });
  after(async () => {
    shop?.[Symbol.dispose]();
    other?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('removes a function that is no longer in stack.yml', async () => {
    const { terminal } = await push(shop, 'Drop search', {
      'stack.yml': nodeStack('cart', 'pay'),
      search: null,
    });

    await gone('search');
    assert.match(terminal, /search/);
    assert.deepEqual([await status('cart'), await status('pay'), await status('neighbour')], [200, 200, 200]);
    const [newest] = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'search'));
    assert.equal(newest?.kind, 'remove');
    assert.equal(newest?.present, false);
  });

  it('moves a renamed function', async () => {
    await push(shop, 'Rename cart', {
      'stack.yml': nodeStack('basket', 'pay'),
      'basket/handler.js': nodeHandler('basket'),
      cart: null,
    });

    assert.equal((await product.call('demo', '/basket')).body, 'basket');
    await gone('cart');
  });

  it('keeps a function whose new version cannot be built', async () => {
    const { terminal } = await push(shop, 'Break pay', {
      'stack.yml': nodeStack('basket', 'pay'),
      'pay/handler.js': null,
      'pay/.keep': '',
      'basket/handler.js': nodeHandler('basket 2'),
    });

    assert.match(terminal, /pay/);
    assert.equal((await product.call('demo', '/pay')).body, 'pay');
    assert.equal((await product.call('demo', '/basket')).body, 'basket 2');
  });

  it('removes all functions of a deleted repository in one commit, and touches no other', async () => {
    await product.api('DELETE', apiPaths.repo('demo', 'shop'));

    await gone('basket');
    await gone('pay');
    assert.equal(await status('neighbour'), 200);
    using gitOps = await cloneGitOps(product);
    const files = (await gitOps.git('ls-tree', '--name-only', 'HEAD:tenants/demo')).split('\n');
    assert.deepEqual(files.sort(), ['neighbour.yaml', 'tenant.yaml']);
    const changed = (await gitOps.git('show', '--format=', '--name-only', 'HEAD')).split('\n');
    assert.deepEqual(changed.sort(), ['tenants/demo/basket.yaml', 'tenants/demo/pay.yaml']);
    const again = await shop.try(['ls-remote', 'origin']);
    assert.notEqual(again.exitCode, 0);
  });

  it('deploys the same commit anew when the repository is made again', async () => {
    const again = await shop.try(['push', 'origin', 'HEAD:main']);

    assert.equal(again.exitCode, 0, again.stderr);
    assert.match(again.stderr, /==> basket is live/);
    assert.equal((await product.call('demo', '/basket')).body, 'basket 2');
    assert.equal(await status('neighbour'), 200);
  });
});
