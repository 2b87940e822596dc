import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../../ui/web/testing/browser.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

describe('the dashboard, in a browser against the running product', () => {
  let product: Product;
  let source: Clone;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const problems: string[] = [];
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    browser = await launchChromium();
    context = await browser.newContext();
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.setDefaultTimeout(15_000);
  });
  after(async () => {
    await browser?.close();
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('asks a stranger to log in, and lets in whoever has the printed link', async () => {
    await page.goto(`${product.ready.origin}/demo`);
    assert.match(page.url(), /\/login/);
    problems.length = 0;

    await page.goto(product.ready.loginUrl);
    await page.getByText('stack.yml').first().waitFor();
  });

  it('shows the first push without a reload: building, then ready', async () => {
    await page.goto(`${product.ready.origin}/demo`);
    const goOn = join(source.dir, 'go-on');
    const wait = `const t=setInterval(()=>{if(require('fs').existsSync('${goOn}'))clearInterval(t)},50)`;
    const pushed = push(source, 'Say hello', {
      'stack.yml': nodeStack('hello'),
      'hello/handler.js': nodeHandler('one'),
      'hello/package.json': JSON.stringify({ name: 'hello', scripts: { test: `node -e "${wait}"` } }),
    });

    await page.getByRole('link', { name: 'hello', exact: true }).first().waitFor();
    await page.getByText('Building', { exact: true }).first().waitFor();
    assert.equal(await page.getByText('Ready', { exact: true }).count(), 0);
    writeFileSync(goOn, '');
    await pushed;
    rmSync(goOn);
    await page.getByText('Ready').first().waitFor();
    await page.getByText('Say hello').first().waitFor();
  });

  it('shows the history from git, and the diff of a deploy', async () => {
    await push(source, 'Say two', { 'hello/package.json': null, 'hello/handler.js': nodeHandler('two') });
    await page.goto(`${product.ready.origin}/demo/hello/deploys`);

    await page.getByText('#2').first().waitFor();
    await page.getByText('#1').first().waitFor();
    await page.getByText('Current').first().waitFor();
    await page.getByRole('button', { name: 'Diff of #2' }).click();
    const added = page.locator('.diff tr.added', { hasText: /image: .*@sha256:/ });
    await added.first().waitFor();
  });

  it('rolls back by its button, with a reason, and shows it in the history', async () => {
    await page
      .getByRole('button', { name: /(roll back|revert).*#?1\b/i })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('two was rude');
    await dialog.getByRole('button', { name: /roll back|revert/i }).click();

    await eventually('the old answer', async () => (await product.call('demo', '/hello')).body === 'one');
    await page.getByText('#3').first().waitFor();
    await page.getByText('two was rude').first().waitFor();
  });

  it('shows the build log live, while the build runs', async () => {
    const script =
      'node -e "let i=0;const t=setInterval(()=>{console.log(\'tick \'+(++i));if(i===40)clearInterval(t)},100)"';
    const pushed = push(source, 'Slow build', {
      'hello/package.json': JSON.stringify({ name: 'hello', scripts: { test: script } }),
      'hello/handler.js': nodeHandler('three'),
    });
    await page.goto(`${product.ready.origin}/demo/pushes`);
    await page
      .getByRole('link', { name: /Slow build/ })
      .first()
      .click();

    await page.getByText('tick 3', { exact: true }).waitFor();
    assert.notEqual(
      (await product.call('demo', '/hello')).body,
      'three',
      'the line was shown before the deploy was live',
    );
    await pushed;
    await page.getByText('tick 40', { exact: true }).waitFor();
    await page
      .getByText(/is live/)
      .first()
      .waitFor();
  });

  it('says why a deploy failed, and that the old version serves', async () => {
    await push(source, 'Break it', {
      'hello/package.json': null,
      'hello/handler.js': "throw new Error('no database here');\n",
    });
    await page.goto(`${product.ready.origin}/demo`);

    await page
      .getByText(/no database here|did not get healthy/)
      .first()
      .waitFor();
    assert.equal((await product.call('demo', '/hello')).body, 'three');
  });

  it('has no accessibility violation on its pages', async () => {
    for (const path of ['/demo', '/demo/hello', '/demo/hello/deploys', '/demo/pushes', '/new']) {
      await page.goto(product.ready.origin + path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
        .analyze();
      assert.deepEqual(
        violations.map((violation) => `${path} ${violation.id}: ${violation.nodes[0]?.html}`),
        [],
      );
    }
  });

  it('reported no error to the console', () => {
    assert.deepEqual(problems, []);
  });
});
