import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { exampleLog } from './testing/example-platform.ts';
import { logLine } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

describe('pushes', () => {
  it('are all listed, with the reason when nothing was deployed', async () => {
    await dashboard.open('/demo/pushes');
    await dashboard.shows('The branch feature/colours is not deployed; only main is.');
    assert.match(
      await dashboard.page.locator('.push-row').nth(3).innerText(),
      /stack\.yml:6:11 unknown language "nodejs99"/,
    );
  });

  it('show steps with times, the cause with its place and hint, and the first error of the log', async () => {
    await dashboard.open('/demo/pushes/p-9');
    await dashboard.shows('Run "npm install" in pay/ and commit package-lock.json.');
    assert.match(
      await dashboard.page.locator('.steps').innerText(),
      /Clone\s+0\.4 s[\s\S]*Build\s+failed\s*4\.7 s/,
    );
    await dashboard.page.locator('.kind-error').first().waitFor();
    await dashboard.page.getByRole('button', { name: 'Rebuild' }).click();
    await dashboard.until('the rebuild is sent', () => dashboard.stub.sent.length === 1);
    assert.deepEqual(dashboard.stub.sent[0], { what: 'POST /api/v1/pushes/p-9/rebuild', body: undefined });
  });

  it('can be missing, in words', async () => {
    await dashboard.open('/demo/pushes/none');
    await dashboard.shows('there is no such thing');
  });
});

describe('the log of a push', () => {
  const scroller = () => dashboard.page.locator('.log-scroll');
  const fromEnd = () => scroller().evaluate((el) => el.scrollHeight - el.clientHeight - el.scrollTop);
  const top = () => scroller().evaluate((el) => el.scrollTop);
  const more = (from: number, count: number) =>
    dashboard.stub.log(
      'p-10',
      Array.from({ length: count }, (_, index) => logLine(from + index, `more ${from + index}`)),
    );

  it('follows while at the end; any movement up stops it, and the way back is one click', async () => {
    await dashboard.open('/demo/pushes/p-10');
    await dashboard.shows('Live, 300 lines');
    more(301, 20);
    await dashboard.shows('more 320');
    assert.ok((await fromEnd()) <= 4);
    await scroller().hover();
    await dashboard.page.mouse.wheel(0, -120);
    await dashboard.page.getByRole('button', { name: 'Jump to end' }).waitFor();
    await dashboard.page.waitForTimeout(100);
    const place = await top();
    more(321, 42);
    await dashboard.page.getByRole('button', { name: '42 new lines, jump to end' }).waitFor();
    assert.equal(await top(), place, 'appending moved the view');
    await dashboard.page.getByRole('button', { name: '42 new lines, jump to end' }).click();
    await dashboard.shows('more 362');
    more(363, 5);
    await dashboard.shows('more 367');
    dashboard.stub.endLog('p-10');
    await dashboard.shows('Complete, 367 lines');
  });

  it('shows colours as classes, what a progress bar wrote last, and phases', async () => {
    await dashboard.open('/demo/pushes/p-4');
    await dashboard.shows('Complete, 120 lines');
    await scroller().evaluate((el) => el.scrollTo(0, 0));
    await dashboard.shows('fetching 100%');
    assert.equal(await dashboard.page.getByText('fetching  55%').count(), 0);
    assert.equal(await dashboard.page.locator('.ansi-yellow').first().innerText(), 'warn');
    assert.equal(await dashboard.page.locator('.kind-phase').count(), 3);
  });

  it('opens at the line of the address and gives each line one', async () => {
    await dashboard.open('/demo/pushes/p-10#L40');
    const marked = dashboard.page.locator('.log-line.marked');
    await marked.waitFor();
    assert.match(await marked.innerText(), /^40\s+compile module-40/);
    more(301, 50);
    await dashboard.page.getByRole('button', { name: /new lines, jump to end/ }).waitFor();
    assert.match(await marked.innerText(), /^40/);
    await dashboard.page.locator('.log-number', { hasText: '38' }).click();
    assert.ok(dashboard.page.url().endsWith('#L38'));
    await dashboard.page.getByLabel('Go to line').fill('299');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.until('line 299 is marked', async () => (await marked.innerText()).startsWith('299'));
  });

  it('goes on where it was when the stream breaks, with no line lost or doubled', async () => {
    await dashboard.open('/demo/pushes/p-10');
    await dashboard.shows('Live, 300 lines');
    dashboard.stub.setStreams(false);
    await dashboard.shows(/Reconnecting, 300 lines/);
    dashboard.stub.state.logs['p-10']?.push(logLine(301, 'while away'));
    dashboard.stub.setStreams(true);
    await dashboard.shows(/Live, 301 lines/);
    await dashboard.shows('while away');
  });

  it('stays small and quick at 50,000 lines, wrapped or not, and filters by function', async () => {
    await dashboard.open('/demo/pushes/p-10', {
      state: (state) => {
        const long = exampleLog(50_000).map((line) =>
          line.n % 2 ? line : { ...line, functionName: 'other' },
        );
        state.logs['p-10'] = long;
      },
    });
    await dashboard.page.getByText('Live, 50,000 lines').waitFor({ timeout: 20_000 });
    const nodes = () => scroller().evaluate((el) => el.querySelectorAll('*').length);
    assert.ok((await nodes()) < 900, `${await nodes()} elements`);
    await dashboard.page.getByText('compile module-49999.js').waitFor();
    await scroller().evaluate((el) => el.scrollTo(0, el.scrollHeight / 2));
    await dashboard.page.locator('.log-number', { hasText: /^25000$/ }).waitFor();
    await dashboard.page.getByRole('button', { name: 'Wrap' }).click();
    await dashboard.page.getByLabel('Go to line').fill('31337');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.locator('.log-line.marked', { hasText: '31337' }).waitFor();
    const box = await dashboard.page.locator('.log-line.marked').boundingBox();
    const frame = await scroller().boundingBox();
    assert.ok(box && frame && box.y > frame.y && box.y < frame.y + frame.height, 'the line is not in view');
    assert.ok((await nodes()) < 900);
    await dashboard.page.getByLabel('Lines of').selectOption('hello');
    await dashboard.until('only one function is shown', async () => {
      const names = await dashboard.page.locator('.log-function').allInnerTexts();
      return names.length > 0 && names.every((name) => name !== 'other');
    });
  });
});
