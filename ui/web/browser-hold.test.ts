import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { everythingWaits, exampleHold } from './testing/held-platform.ts';
import { problem } from './testing/platform-stub.ts';
import { deploy, entry, push, sha } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

const button = (name: string | RegExp) => dashboard.page.getByRole('button', { name, exact: true });
const dialog = () => dashboard.page.getByRole('dialog');

function changed(over: Parameters<typeof entry>[0]): void {
  const change = { owner: 'demo', functionName: 'hello', entry: entry(over) };
  dashboard.stub.emit({ type: 'function.changed', ownerId: 'o-1', owner: 'demo', change });
}

describe('holding a function', () => {
  it('asks why, says what happens, and shows the hold as soon as it is applied', async () => {
    await dashboard.open('/demo/hello');
    await button('Hold').click();
    await dialog().getByText('Pushes are still built, and wait').waitFor();
    await dialog().getByRole('textbox').fill('a fair');
    await dialog().getByRole('button', { name: 'Hold', exact: true }).click();
    await dashboard.shows('hello is held');
    assert.deepEqual(dashboard.stub.sent.at(-1), {
      what: 'POST /api/v1/owners/demo/functions/hello/hold',
      body: { environment: 'default', reason: 'a fair' },
    });
    everythingWaits(dashboard.stub.state);
    changed({ hold: exampleHold });
    await dashboard.shows(/Held by lee/);
    await dashboard.shows('Greet louder');
    await button('Resume').waitFor();
  });

  it('shows what the platform refuses, with its request id, and holds nothing', async () => {
    await dashboard.open('/demo/hello', {
      state: (state) => {
        const refusal = problem(503, 'the GitOps repository is away', 'remote_unavailable');
        state.change = () => ({ status: 503, body: refusal });
      },
    });
    await button('Hold').click();
    await dialog().getByRole('button', { name: 'Hold', exact: true }).click();
    const alert = dialog().getByRole('alert');
    await alert.getByText('the GitOps repository is away').waitFor();
    assert.match(await alert.innerText(), /Nothing was held\.[\s\S]*req-7f3a/);
    await dashboard.page.keyboard.press('Escape');
    await button('Hold').waitFor();
  });

  it('is told on every page of the function and in the list, with what waits and what is served', async () => {
    await dashboard.open('/demo', { state: everythingWaits });
    const row = dashboard.functionRow('report');
    assert.match(await row.innerText(), /Held\s+Degraded[\s\S]*Held by lee 7 min ago: a customer demo/);
    assert.match(
      await dashboard.functionRow('hello').innerText(),
      /Waits: 77ab0e1 Greet louder by Dana Miller/,
    );
    await dashboard.page.goto(`${dashboard.stub.origin}/demo/hello/deploys`);
    await dashboard.shows(/Held by lee/);
    await button('Resume').click();
    await dialog().getByText('waited and goes live at once').waitFor();
    await dialog().getByRole('button', { name: 'Resume', exact: true }).click();
    await dashboard.shows('hello is resumed: 77ab0e1 Greet louder goes live');
    assert.equal(dashboard.stub.sent.at(-1)?.what, 'POST /api/v1/owners/demo/functions/hello/resume');
    changed({ hold: null });
    await button('Hold').waitFor();
    assert.equal(await dashboard.page.getByText(/Held by lee/).count(), 0);
  });

  it('counts a held function that is degraded among the failing ones', async () => {
    await dashboard.open('/demo?status=failing', { state: everythingWaits });
    assert.ok((await dashboard.functionNames()).includes('report'));
  });
});

describe('a push that waited', () => {
  it('goes on with its log when it is released', async () => {
    const held = deploy({ id: 'd-4', pushId: 'p-4', state: 'held', number: null });
    await dashboard.open('/demo/pushes/p-4', {
      state: (state) => {
        state.pushes = state.pushes.map((each) => (each.id === 'p-4' ? { ...each, deploys: [held] } : each));
      },
    });
    await dashboard.shows('Held');
    await dashboard.page.locator('.log-line').first().waitFor();
    const { stub } = dashboard;
    stub.state.openLogs.add('p-4');
    const known = stub.state.pushes.find(({ id }) => id === 'p-4')!;
    const at = Date.now() + 1000;
    const released = { ...held, state: 'committed' as const, number: 5, updatedAt: at };
    const running = push({ ...known, state: 'running', deploys: [released], updatedAt: at });
    stub.emit({ type: 'push.changed', ownerId: 'o-1', owner: 'demo', push: running });
    await dashboard.shows('Deploy #5');
    const line = { n: 500, time: at, functionName: 'hello', stage: 'live' as const, kind: 'phase' as const };
    await dashboard.until('the new line', async () => {
      stub.log('p-4', [{ ...line, text: 'hello is live: http://x' }]);
      line.n += 1;
      return (await dashboard.page.getByText('hello is live').count()) > 0;
    });
  });
});

describe('environments', () => {
  it('are not spoken of where there is only one', async () => {
    await dashboard.open('/demo/hello');
    await dashboard.page.locator('.yaml').waitFor();
    assert.equal(await dashboard.page.getByRole('heading', { name: 'Environments' }).count(), 0);
  });

  it('show what each serves, and one is promoted to another', async () => {
    await dashboard.open('/demo/hello', { state: everythingWaits });
    const rows = dashboard.page.locator('.environment-row');
    await rows.first().waitFor();
    assert.match(await rows.nth(1).innerText(), /staging\s+Ready\s+Deploy #1\s+77ab0e1\s+sha256:cdcdcdcdcd/);
    await button('Promote from staging').click();
    await dialog().getByText('production has').waitFor();
    await dialog().getByRole('combobox').selectOption('default');
    await dialog().getByText('default has').waitFor();
    await dialog().getByRole('textbox').fill('tested');
    await dialog().getByRole('button', { name: 'Promote to default' }).click();
    await dashboard.shows('hello is promoted to default, as #5');
    assert.deepEqual(dashboard.stub.sent.at(-1), {
      what: 'POST /api/v1/owners/demo/functions/hello/promote',
      body: { from: 'staging', to: 'default', reason: 'tested', commit: sha('1ab8c74') },
    });
  });
});

describe('a rollback', () => {
  it('is undone from the history, after its difference was shown', async () => {
    await dashboard.open('/demo/hello/deploys', { state: everythingWaits });
    await button('Undo the rollback #5').click();
    await dialog().getByText('env GREETING changed').waitFor();
    await dialog().getByRole('textbox').fill('it was not the parser');
    await dialog().getByRole('button', { name: 'Undo the rollback' }).click();
    await dashboard.shows('hello goes forward to #4 again, as #5');
    assert.deepEqual(dashboard.stub.sent.at(-1), {
      what: 'POST /api/v1/owners/demo/functions/hello/undo',
      body: { commit: sha('55aa'), reason: 'it was not the parser' },
    });
  });
});

describe('large removals', () => {
  it('are shown with who, why and what would go, and are confirmed after one more look', async () => {
    await dashboard.open('/demo', { state: everythingWaits });
    const notice = dashboard.page.getByRole('region', { name: 'A removal waits for an answer' });
    assert.match(
      await notice.innerText(),
      /31 functions of demo\/shop would be removed: no longer in stack\.yml\. Asked by lee 4 min ago; more than 25/,
    );
    await notice.getByText('Which functions').click();
    await notice.getByText('page-31', { exact: true }).waitFor();
    await button('Remove …').click();
    await dialog().getByText('page-31', { exact: true }).waitFor();
    await dialog().getByRole('button', { name: 'Remove 31 functions' }).click();
    await dashboard.shows('31 functions of demo are removed');
    assert.deepEqual(dashboard.stub.sent.at(-1), {
      what: 'POST /api/v1/owners/demo/removals/r-1/confirm',
      body: {},
    });
    dashboard.stub.state.removals = [];
    dashboard.stub.emit({ type: 'removals.changed', ownerId: 'o-1', owner: 'demo' });
    await notice.waitFor({ state: 'detached' });
  });

  it('appear without a reload, are counted on the tab of every page, and are rejected', async () => {
    await dashboard.open('/demo/pushes');
    const tab = dashboard.page.getByRole('link', { name: /^Functions/ });
    assert.equal((await tab.innerText()).trim(), 'Functions');
    everythingWaits(dashboard.stub.state);
    dashboard.stub.emit({ type: 'removals.changed', ownerId: 'o-1', owner: 'demo' });
    await dashboard.page.getByRole('link', { name: 'Functions 1 removal waits' }).click();
    await button('Keep them …').click();
    await dialog().getByRole('button', { name: 'Keep them' }).click();
    await dashboard.shows('31 functions stay');
    assert.equal(dashboard.stub.sent.at(-1)?.what, 'POST /api/v1/owners/demo/removals/r-1/reject');
    await dashboard.page.getByText('1 rejected removal').click();
    await button('Remove after all …').waitFor();
  });
});

describe('somebody who may only look', () => {
  it('sees what is held and what waits, and no button that changes it', async () => {
    const state = (each: Parameters<typeof everythingWaits>[0]) => {
      everythingWaits(each);
      each.me = { ...each.me, mayChange: [] };
    };
    await dashboard.open('/demo', { state });
    await dashboard.shows('31 functions of demo/shop would be removed');
    for (const path of ['/demo', '/demo/hello', '/demo/hello/deploys']) {
      await dashboard.page.goto(dashboard.stub.origin + path);
      await dashboard.shows(/Held by lee/);
      const verbs = /^(Hold|Resume|Promote|Undo|Roll back|Remove|Keep)/;
      assert.equal(await dashboard.page.getByRole('button', { name: verbs }).count(), 0, path);
    }
  });
});
