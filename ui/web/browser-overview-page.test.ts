import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { problem, type StubState } from './testing/platform-stub.ts';
import { deploy, entry, push, summary } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

describe('the functions page', () => {
  it('lists failing functions first, each with status, URL, commit, author, age and number', async () => {
    await dashboard.open('/');
    await dashboard.page.waitForURL('**/demo');
    assert.deepEqual(await dashboard.functionNames(), [
      'pay',
      'report',
      'thumbnail',
      'hello',
      'nightly-cleanup',
    ]);
    const text = await dashboard.functionRow('hello').innerText();
    for (const part of [
      'Ready',
      'demo.localhost:8080/hello',
      'Greet in the morning',
      'a1b2c3d',
      'app@main',
      'Dana Miller',
      'Deploy #4',
      '2 hr ago',
    ]) {
      assert.ok(text.includes(part), `"${part}" is missing in ${text}`);
    }
    assert.match((await dashboard.functionRow('hello').locator('time').getAttribute('title')) ?? '', /\d{4}/);
    assert.match(
      await dashboard.functionRow('pay').innerText(),
      /Ready, last deploy failed: pay\/package.json:7 "npm ci" failed/,
    );
    assert.equal(
      await dashboard.functionRow('pay').getByRole('link', { name: /^Log/ }).getAttribute('href'),
      '/demo/pushes/p-9',
    );
  });

  it('asks for its data when the page did not bring it', async () => {
    await dashboard.open('/demo', { state: (state) => Object.assign(state, { embed: false }) });
    await dashboard.functionRow('hello').waitFor();
  });

  it('changes rows in place by events, and follows a new function without a reload', async () => {
    await dashboard.open('/demo');
    await dashboard.functionRow('hello').evaluate((element) => element.setAttribute('data-same', 'yes'));
    await dashboard.until(
      'the stream is open',
      async () => (await dashboard.page.locator('.connection').count()) === 0,
    );
    const change = {
      owner: 'demo',
      functionName: 'hello',
      entry: entry({ status: 'Degraded', reason: 'exit 1 twice' }),
    };
    const tell = () =>
      dashboard.stub.emit({ type: 'function.changed', ownerId: 'o-1', owner: 'demo', change });
    dashboard.stub.state.functions[0] = {
      ...dashboard.stub.state.functions[0]!,
      status: 'Degraded',
      reason: 'exit 1 twice',
    };
    await dashboard.until('the row is degraded', async () => {
      tell();
      return (await dashboard.functionRow('hello').innerText()).includes('exit 1 twice');
    });
    assert.equal(await dashboard.functionRow('hello').getAttribute('data-same'), 'yes');
    dashboard.stub.state.functions.push(summary({ functionName: 'brand-new' }));
    dashboard.stub.emit({
      type: 'push.changed',
      ownerId: 'o-1',
      owner: 'demo',
      push: push({ id: 'p-11', deploys: [deploy({ functionName: 'brand-new' })] }),
    });
    await dashboard.functionRow('brand-new').waitFor();
  });

  it('filters by text and by state, in the address, and says when nothing matches', async () => {
    await dashboard.open('/demo');
    await dashboard.page.keyboard.press('/');
    await dashboard.page.keyboard.type('wong');
    await dashboard.until('two rows are left', async () => (await dashboard.functionNames()).length === 2);
    assert.deepEqual(await dashboard.functionNames(), ['pay', 'report']);
    assert.ok(dashboard.page.url().endsWith('?q=wong'));
    await dashboard.page.reload();
    await dashboard.functionRow('pay').waitFor();
    assert.deepEqual(await dashboard.functionNames(), ['pay', 'report']);
    await dashboard.page.getByLabel('Filter functions').fill('no such thing');
    await dashboard.shows('No functions match “no such thing”.');
    await dashboard.page.getByRole('button', { name: 'Clear the filter' }).click();
    await dashboard.page.getByRole('button', { name: 'Asleep 1' }).click();
    assert.deepEqual(await dashboard.functionNames(), ['nightly-cleanup']);
  });

  it('offers no URL of a function that never ran, and the push instead of a page for an impossible name', async () => {
    const failed = deploy({
      pushId: 'p-9',
      functionName: 'Capital',
      state: 'failed',
      cause: { code: 'name_invalid', message: 'no capitals' },
    });
    await dashboard.open('/demo', {
      state: (state) =>
        state.functions.push(
          summary({
            functionName: 'Capital',
            status: 'Failed',
            number: null,
            deployedAt: null,
            lastDeploy: failed,
          }),
        ),
    });
    const row = dashboard.functionRow('Capital');
    const hrefs = await row
      .getByRole('link')
      .evaluateAll((links) => links.map((a) => a.getAttribute('href')));
    assert.deepEqual(hrefs, ['/demo/pushes/p-9', '/demo/pushes/p-9']);
    assert.equal(await row.getByRole('button', { name: /Copy the URL/ }).count(), 0);
  });

  it('shows text from a push as text', async () => {
    const subject = '<img src=x onerror="document.title=1"></script>';
    await dashboard.open('/demo', {
      state: (state) => Object.assign(state.functions[0]!, { sourceSubject: subject }),
    });
    await dashboard.shows(subject);
    assert.equal(await dashboard.page.locator('main img').count(), 0);
  });

  it('says since when it is cut off, keeps its rows, and catches up', async () => {
    await dashboard.open('/demo');
    dashboard.stub.setStreams(false);
    await dashboard.shows(/Reconnecting, data from \d\d:\d\d:\d\d/);
    assert.equal((await dashboard.functionNames()).length, 5);
    dashboard.stub.state.functions.push(summary({ functionName: 'meanwhile' }));
    dashboard.stub.setStreams(true);
    await dashboard.page.locator('.connection').waitFor({ state: 'detached', timeout: 15_000 });
    await dashboard.functionRow('meanwhile').waitFor();
  });
});

describe('without a function', () => {
  const nothing = (state: StubState) =>
    Object.assign(state, { functions: [], pushes: [], me: { ...state.me, owners: ['demo'] } });

  it('has commands to copy, makes a token once, and changes by itself at the first push', async () => {
    await dashboard.open('/demo', { state: nothing });
    await dashboard.shows('Waiting for the first push');
    await dashboard.page.getByRole('button', { name: 'Copy the commands for a repository you have' }).click();
    const copied = await dashboard.page.evaluate(() => navigator.clipboard.readText());
    assert.match(
      copied,
      /^git remote add towline http:\/\/localhost:8080\/git\/demo\/my-app\.git\ngit push towline main$/,
    );
    await dashboard.page.getByRole('button', { name: 'Create a token' }).click();
    await dashboard.shows('towline_pat_example');
    assert.deepEqual(dashboard.stub.sent, [
      { what: 'POST /api/v1/owners/demo/tokens', body: { name: 'git push', ttlDays: 90 } },
    ]);

    const received = push({
      id: 'p-1',
      state: 'running',
      deploys: [deploy({ state: 'building', stage: 'build' })],
    });
    dashboard.stub.emit({ type: 'push.changed', ownerId: 'o-1', owner: 'demo', push: received });
    await dashboard.page.getByRole('link', { name: 'Fix greeting' }).waitFor();
    dashboard.stub.state.functions = [summary()];
    dashboard.stub.emit({
      type: 'push.changed',
      ownerId: 'o-1',
      owner: 'demo',
      push: { ...received, state: 'done', updatedAt: Date.now(), deploys: [deploy()] },
    });
    await dashboard.functionRow('hello').waitFor();
  });
});

describe('repositories', () => {
  it('are deleted only after their name was typed', async () => {
    await dashboard.open('/demo/repos');
    await dashboard.page.getByRole('button', { name: 'Delete the repository shop' }).click();
    const dialog = dashboard.page.getByRole('dialog');
    await dialog.getByText(/its functions: pay, report/).waitFor();
    const remove = dialog.getByRole('button', { name: 'Delete the repository' });
    assert.equal(await remove.isDisabled(), true);
    await dialog.getByRole('textbox').fill('shop');
    await remove.click();
    await dashboard.shows('Deleted the repository shop');
    assert.equal(dashboard.stub.sent[0]?.what, 'DELETE /api/v1/owners/demo/repos/shop');
  });
});

describe('the shell', () => {
  it('goes to the login when the session is over, and names the way back', async () => {
    await dashboard.open('/demo');
    await dashboard.page.route('**/api/v1/owners/demo/pushes**', (route) =>
      route.fulfill({ status: 401, json: problem(401, 'log in', 'unauthenticated') }),
    );
    await dashboard.page.getByRole('link', { name: 'Pushes' }).click();
    await dashboard.page.waitForURL('**/login?next=%2Fdemo%2Fpushes');
  });

  it('switches the theme and keeps it, has a help dialog, and lets single keys be switched off', async () => {
    await dashboard.open('/demo');
    await dashboard.page.getByRole('button', { name: /^Theme: system/ }).click();
    await dashboard.page.getByRole('button', { name: /^Theme: light/ }).click();
    await dashboard.page.reload();
    assert.equal(
      await dashboard.page.evaluate(() => getComputedStyle(document.documentElement).colorScheme),
      'dark',
    );
    await dashboard.page.locator('h1').waitFor();
    await dashboard.page.keyboard.press('?');
    await dashboard.page.getByRole('checkbox').uncheck();
    await dashboard.page.keyboard.press('Escape');
    await dashboard.page.keyboard.press('?');
    assert.equal(await dashboard.page.getByRole('dialog').count(), 0);
  });

  it('offers the other owners a person may see', async () => {
    await dashboard.open('/demo', {
      state: (state) => state.functions.push(summary({ owner: 'shop-team', functionName: 'cart' })),
    });
    await dashboard.page.getByLabel('Owner demo, switch to another').click();
    await dashboard.page.getByRole('link', { name: 'shop-team' }).click();
    await dashboard.functionRow('cart').waitFor();
    assert.deepEqual(await dashboard.functionNames(), ['cart']);
    assert.match(await dashboard.page.title(), /shop-team/);
  });
});
