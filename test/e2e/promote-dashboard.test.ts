import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { FunctionDetail } from '../../core/api.ts';
import { apiPaths } from '../../core/paths.ts';
import { launchChromium } from '../../ui/web/testing/browser.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

describe('environments in the dashboard, in a browser against the running product', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'towline-e2e-'));
  let product: Product;
  let source: Clone;
  let browser: Browser;
  let page: Page;
  const staging = async () =>
    (await product.request('/hello', { host: `demo.staging.localhost:${product.port}` })).body;

  before(async () => {
    writeFileSync(join(dataDir, 'towline.yaml'), 'environments:\n  - {name: default}\n  - {name: staging}\n');
    product = await Product.start({ dataDir });
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(product.ready.loginUrl);
  });
  after(async () => {
    await browser?.close();
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  it('promotes what one environment has to another, and shows what each serves', async () => {
    await page.goto(`${product.ready.origin}/demo/hello`);
    await page.getByRole('button', { name: 'Promote from default' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('staging has').waitFor();
    await dialog.getByText('nothing', { exact: true }).waitFor();
    await dialog.getByRole('textbox').fill('tested');
    await dialog.getByRole('button', { name: 'Promote to staging' }).click();

    await eventually('staging serves it', async () => (await staging()) === 'one');
    await page.getByRole('button', { name: 'Promote from staging' }).waitFor();
    const rows = page.locator('.environment-row');
    assert.match(await rows.nth(1).innerText(), /staging[\s\S]*Deploy #1[\s\S]*sha256:/);
    const { environments } = await product.api<FunctionDetail>('GET', apiPaths.function('demo', 'hello'));
    const [from, to] = environments;
    assert.equal(to?.current?.image, from?.current?.image);
    assert.deepEqual(
      [to?.current?.kind, to?.current?.reason],
      ['promote', 'promoted from default #1: tested'],
    );
  });
});
