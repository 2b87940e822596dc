import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import AxeBuilder from '@axe-core/playwright';
import { Dashboard } from './testing/dashboard.ts';
import { everythingWaits } from './testing/held-platform.ts';
import { deploy, push, summary } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

describe('accessibility', () => {
  const pages: [path: string, ready: string][] = [
    ['/demo', '.function-row'],
    ['/demo/hello', '.yaml'],
    ['/demo/hello/deploys', '.history-row'],
    ['/demo/hello/logs', '.log-line'],
    ['/demo/pushes', '.push-row'],
    ['/demo/pushes/p-9', '.log-line'],
    ['/demo/repos', '.repo-row'],
    ['/new', '.ways'],
  ];
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  /** What colours and widths can break; the rest is the same in all of them. */
  const visual = ['color-contrast', 'target-size', 'scrollable-region-focusable'];

  async function violations(rules?: string[]): Promise<string[]> {
    const axe = new AxeBuilder({ page: dashboard.page });
    const result = await (rules ? axe.withRules(rules) : axe.withTags(tags)).analyze();
    return result.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(' | ')}`);
  }

  async function view(scheme: 'light' | 'dark', width: number): Promise<void> {
    await dashboard.page.emulateMedia({ colorScheme: scheme });
    await dashboard.page.setViewportSize({ width, height: 720 });
  }

  async function fitsIn(what: string, width: number): Promise<void> {
    const sideways = await dashboard.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(sideways <= 0, `${what} is ${sideways} px too wide at ${width} px`);
  }

  /** All rules wide and light, narrow and dark; in between, what a colour or a width can break. */
  async function checkAllViews(what: string): Promise<void> {
    await view('light', 1280);
    await fitsIn(what, 1280);
    assert.deepEqual(await violations(), [], what);
    await view('dark', 1280);
    assert.deepEqual(await violations(visual), [], `${what}, dark`);
    await view('dark', 320);
    await fitsIn(what, 320);
    assert.deepEqual(await violations(), [], `${what}, dark, narrow`);
    await view('light', 320);
    assert.deepEqual(await violations(visual), [], `${what}, narrow`);
  }

  it('has no violation and no sideways scrolling, light and dark, wide and narrow', async () => {
    await dashboard.open('/demo');
    for (const [path, ready] of pages) {
      await dashboard.page.goto(dashboard.stub.origin + path);
      await dashboard.page.locator(ready).first().waitFor();
      await checkAllViews(path);
    }
  });

  it('holds for what waits for a person, and for the dialogs that answer it', async () => {
    await dashboard.open('/demo', { state: everythingWaits });
    const { page } = dashboard;
    const states: [path: string, open: string | undefined][] = [
      ['/demo', undefined],
      ['/demo', 'Remove …'],
      ['/demo/hello', undefined],
      ['/demo/hello', 'Resume'],
      ['/demo/hello', 'Promote from staging'],
      ['/demo/hello', 'Remove from staging'],
      ['/demo/hello/deploys', 'Undo the rollback #5'],
    ];
    for (const [path, open] of states) {
      await page.goto(dashboard.stub.origin + path);
      await page
        .getByText(/Held by lee/)
        .first()
        .waitFor();
      if (path === '/demo') await page.getByText('Which functions').click();
      if (open) await page.getByRole('button', { name: open, exact: true }).click();
      if (open) await page.getByRole('dialog').waitFor();
      await checkAllViews(`${path} ${open ?? ''}`);
    }
  });

  it('has no sideways scrolling for a long name and a long cause without a space', async () => {
    const functionName = 'x'.repeat(80);
    const message = `the path ${'a/'.repeat(150)} is ${'b'.repeat(200)}`;
    const place = { file: `${'deep/'.repeat(30)}stack.yml`, line: 5 };
    const failed = deploy({
      id: 'd-long',
      functionName,
      state: 'failed',
      cause: { code: 'name_invalid', message, place },
    });
    await dashboard.open('/demo', {
      state: (state) => {
        const never = { number: null, deployedAt: null, lastDeploy: failed, reason: message };
        state.functions.push(summary({ functionName, status: 'Failed', ...never }));
        const deploys = [failed, deploy({ id: 'd-other' })];
        state.pushes.push(push({ id: 'p-long', note: 'n'.repeat(200), deploys }));
      },
    });
    for (const path of ['/demo', '/demo/pushes']) {
      await dashboard.page.goto(dashboard.stub.origin + path);
      await dashboard.shows(functionName);
      for (const width of [320, 1280]) {
        await view('light', width);
        await fitsIn(path, width);
      }
    }
  });

  it('holds for an open difference, the rollback dialog, the help and the first page', async () => {
    await dashboard.open('/demo/hello/deploys');
    await dashboard.page.getByRole('button', { name: 'Diff of #1' }).click();
    await dashboard.page.locator('.diff table').waitFor();
    await checkAllViews('an open difference');
    await dashboard.page.getByRole('button', { name: 'Roll back to #1' }).click();
    await dashboard.page.getByRole('dialog').locator('table').waitFor();
    await checkAllViews('the rollback dialog');
    await dashboard.page.keyboard.press('Escape');
    await dashboard.page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
    await dashboard.page.getByRole('dialog').waitFor();
    await checkAllViews('the help');
    dashboard.stub.state.functions = [];
    await dashboard.page.goto(`${dashboard.stub.origin}/demo`);
    await dashboard.page.getByRole('button', { name: 'Create a token' }).click();
    await dashboard.shows('towline_pat_example');
    await checkAllViews('the first page');
  });
});

describe('the size of the first route', () => {
  it('is at most 35 kB of script and 12 kB of style, compressed', async () => {
    const html = await readFile(`${dashboard.dist}/index.html`, 'utf8');
    const size = async (pattern: RegExp) => {
      let bytes = 0;
      for (const [, name = ''] of html.matchAll(pattern))
        bytes += gzipSync(await readFile(`${dashboard.dist}/assets/${name}`)).length;
      return bytes;
    };
    const scripts = await size(/(?:src|href)="\/assets\/([^"]+\.js)"/g);
    const styles = await size(/href="\/assets\/([^"]+\.css)"/g);
    assert.ok(scripts > 0 && scripts <= 35 * 1024, `${scripts} bytes of script`);
    assert.ok(styles > 0 && styles <= 12 * 1024, `${styles} bytes of style`);
  });

  it('names no other origin', async () => {
    for (const name of await readdir(`${dashboard.dist}/assets`)) {
      const text = await readFile(`${dashboard.dist}/assets/${name}`, 'utf8');
      const origins = new Set(text.match(/https?:\/\/[a-z0-9.-]+/g));
      // The name of SVG's namespace, and a library's error message.
      for (const harmless of ['http://www.w3.org', 'https://github.com']) origins.delete(harmless);
      assert.deepEqual([...origins], [], name);
    }
  });
});
