import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Locator, Page } from 'playwright-core';
import type { FunctionSummary } from '../../core/api.ts';
import type { HistoryEntry, PendingRemoval } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { launchChromium } from '../../ui/web/testing/browser.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

/** One more than may go at once. */
const many = Array.from({ length: 26 }, (_, index) => `page-${index + 1}`);

describe('holds and removals in the dashboard, in a browser against the running product', () => {
  let product: Product;
  let app: Clone;
  let shop: Clone;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  const answer = async () => (await product.call('demo', '/hello')).body;
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const dialog = () => page.getByRole('dialog');
  const functions = async () =>
    (await product.api<FunctionSummary[]>('GET', apiPaths.functions('demo'))).map((row) => row.functionName);
  const removals = () => product.api<PendingRemoval[]>('GET', apiPaths.removals('demo'));
  const notice = (): Locator => page.getByRole('region', { name: 'A removal waits for an answer' });

  async function violations(): Promise<string[]> {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const result = await new AxeBuilder({ page }).withTags(tags).analyze();
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  }

  /** Marks the page, so that a reload would be seen. */
  const mark = () => page.evaluate(() => document.body.setAttribute('data-marked', ''));
  const isMarked = () => page.evaluate(() => document.body.hasAttribute('data-marked'));

  before(async () => {
    product = await Product.start();
    app = await sourceRepository(product, 'demo', 'app');
    shop = await sourceRepository(product, 'demo', 'shop');
    await push(app, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
    browser = await launchChromium();
    page = await (await browser.newContext()).newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.setDefaultTimeout(20_000);
    await page.goto(product.ready.loginUrl);
  });
  after(async () => {
    await browser?.close();
    app?.[Symbol.dispose]();
    shop?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('holds a function with a reason, and shows at once who holds it and what it serves', async () => {
    await page.goto(`${product.ready.origin}/demo/hello`);
    await button('Hold').click();
    await dialog().getByRole('textbox').fill('a demo is on');
    await mark();
    await dialog().getByRole('button', { name: 'Hold', exact: true }).click();

    await page.getByText(/Held by demo .*: a demo is on/).waitFor();
    const state = page.getByRole('region', { name: 'State' });
    await state.getByText('Held', { exact: true }).waitFor();
    await state.getByText('Ready', { exact: true }).waitFor();
    assert.equal(await isMarked(), true);
    assert.deepEqual(await violations(), []);
  });

  it('shows the push that waits, and serves what was live', async () => {
    const { terminal } = await push(app, 'Two', { 'hello/handler.js': nodeHandler('two') });
    assert.match(terminal, /hello is built and held, not live/);
    await page.getByText('Waits:').waitFor();
    await page.getByText('Two', { exact: false }).first().waitFor();
    assert.equal(await answer(), 'one');
    assert.equal(await isMarked(), true);
  });

  it('resumes: what waited is live, and the page says so without a reload', async () => {
    await button('Resume').click();
    await dialog().getByText('waited and goes live at once').waitFor();
    await dialog().getByRole('button', { name: 'Resume', exact: true }).click();

    await eventually('the push that waited', async () => (await answer()) === 'two');
    await page.getByText(/^Held by demo/).waitFor({ state: 'detached' });
    await page.getByRole('region', { name: 'State' }).getByText('Deploy #4').waitFor();
    await button('Hold').waitFor();
    assert.equal(await isMarked(), true);
  });

  it('undoes a rollback from the history', async () => {
    await page.goto(`${product.ready.origin}/demo/hello/deploys`);
    await button('Roll back to #1').click();
    await dialog().getByRole('button', { name: 'Roll back to #1' }).click();
    await eventually('the rollback', async () => (await answer()) === 'one');
    await dialog().getByRole('button', { name: 'Done' }).click();
    await button('Undo the rollback #5').click();
    await dialog().getByRole('textbox').fill('two was right');
    await dialog().getByRole('button', { name: 'Undo the rollback' }).click();
    await eventually('what was before', async () => (await answer()) === 'two');
    const [newest] = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
    assert.deepEqual([newest?.restores, newest?.reason], [4, 'two was right']);
  });

  it('asks before a large removal, keeps everything when it is rejected, and does not ask again', async () => {
    const files = Object.fromEntries(many.map((name) => [`${name}/handler.js`, nodeHandler(name)]));
    await push(shop, 'Shop', {
      'stack.yml': nodeStack('cart', ...many),
      'cart/handler.js': nodeHandler('cart'),
      ...files,
    });
    assert.equal((await functions()).length, many.length + 2);
    await page.goto(`${product.ready.origin}/demo`);
    await page.getByRole('link', { name: 'cart', exact: true }).waitFor();
    await mark();
    const { terminal } = await push(shop, 'Oops', { 'stack.yml': nodeStack('cart') });
    assert.match(terminal, /26 of 28 functions would be removed and 25 may go at once/);

    await notice().getByText('26 functions of demo/shop would be removed').waitFor();
    assert.match(await notice().innerText(), /no longer in stack\.yml\. Asked by .*more than 25 at once/);
    assert.deepEqual(await violations(), []);
    await button('Keep them …').click();
    await dialog().getByText('page-26', { exact: true }).waitFor();
    await dialog().getByRole('button', { name: 'Keep them' }).click();
    await notice().waitFor({ state: 'detached' });
    assert.equal(await isMarked(), true);

    await push(shop, 'Oops again', { 'cart/handler.js': nodeHandler('cart 2') });
    assert.deepEqual(
      (await removals()).map(({ state }) => state),
      ['rejected'],
    );
    assert.equal((await functions()).length, many.length + 2);
    assert.equal((await product.call('demo', '/page-7')).body, 'page-7');
  });

  it('removes what was shown once it is confirmed after all', async () => {
    await page.getByText('1 rejected removal').click();
    await button('Remove after all …').click();
    assert.deepEqual(await violations(), []);
    await dialog().getByRole('button', { name: 'Remove 26 functions' }).click();

    await page.getByRole('link', { name: 'page-7', exact: true }).waitFor({ state: 'detached' });
    await eventually('they are gone', async () => (await product.call('demo', '/page-7')).status === 404);
    assert.deepEqual((await functions()).sort(), ['cart', 'hello']);
    assert.equal((await product.call('demo', '/cart')).body, 'cart 2');
    assert.deepEqual(await removals(), []);
  });

  it('refuses everybody else, who is not even told that there is something', async () => {
    const token = await product.createOwner('mallory');
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const before = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
    for (const path of [
      apiPaths.hold('demo', 'hello'),
      apiPaths.resume('demo', 'hello'),
      apiPaths.undo('demo', 'hello'),
      apiPaths.confirmRemoval('demo', 'r'),
      apiPaths.rejectRemoval('demo', 'r'),
    ]) {
      const body = path === apiPaths.undo('demo', 'hello') ? { commit: before[0]?.commit } : {};
      const { status } = await product.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
      assert.equal(status, 404, path);
    }
    assert.equal((await product.request(apiPaths.removals('demo'), { headers })).status, 404);
    assert.deepEqual(await product.api('GET', apiPaths.history('demo', 'hello')), before);
  });

  it('reported no error to the console', () => {
    assert.deepEqual(problems, []);
  });
});
