import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { exampleHistory } from './testing/example-platform.ts';
import { problem, type StubState } from './testing/platform-stub.ts';
import { entry, history, imageOf, sha } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

describe('the history of a function', () => {
  /** What the platform does with a rollback: commit, apply, serve. */
  function rollBack(state: StubState): void {
    state.revert = () => {
      const rows = exampleHistory().map((each) => ({ ...each, current: false }));
      const restored = {
        number: 5,
        kind: 'revert' as const,
        restores: 1,
        image: imageOf('hello', 'cd'),
        current: true,
      };
      state.history['hello'] = [
        history({ ...restored, commit: sha('5fe2a18'), reason: 'too loud' }),
        ...rows,
      ];
      return { status: 200, body: { commit: sha('5fe2a18'), number: 5, unchanged: false } };
    };
  }

  function serveRestored(): void {
    const image = imageOf('hello', 'cd');
    const detail = dashboard.stub.state.details['hello']!;
    dashboard.stub.state.details['hello'] = {
      ...detail,
      summary: { ...detail.summary, number: 5 },
      entry: entry({ image, desiredImage: image }),
    };
    const change = { owner: 'demo', functionName: 'hello', entry: entry({ image, desiredImage: image }) };
    dashboard.stub.emit({ type: 'function.changed', ownerId: 'o-1', owner: 'demo', change });
  }

  it('shows who, what, why and what became of each deploy, with its difference', async () => {
    await dashboard.open('/demo/hello/deploys');
    const rows = dashboard.page.locator('.history-row');
    await rows.first().waitFor();
    assert.match(await rows.nth(0).innerText(), /#4\s+Greet in the morning\s+Current/);
    assert.match(await rows.nth(1).innerText(), /Rollback to #1\s+500s on \/hello after the new parser/);
    assert.match(await rows.nth(2).innerText(), /Rolled back by #3/);
    assert.equal(
      await rows.nth(0).getByRole('link', { name: /Log/ }).getAttribute('href'),
      '/demo/pushes/p-4',
    );
    assert.equal(
      await rows
        .nth(0)
        .getByRole('button', { name: /Roll back/ })
        .count(),
      0,
    );
    await rows.nth(3).getByRole('button', { name: /Diff/ }).click();
    await rows.nth(3).getByText('env LOUD removed').waitFor();
    const removed = await rows.nth(3).locator('tr.removed').last().innerText();
    assert.match(removed, /Removed:\s+LOUD: "1"/);
    await rows.nth(3).getByRole('button', { name: 'From #1 to the current #4' }).click();
    await rows.nth(3).locator('table').waitFor();
  });

  it('rolls back: difference, reason, progress until it is served, undo', async () => {
    await dashboard.open('/demo/hello/deploys', { state: rollBack });
    await dashboard.page.getByRole('button', { name: 'Roll back to #1' }).click();
    const dialog = dashboard.page.getByRole('dialog');
    await dialog.getByText('env GREETING changed').waitFor();
    await dialog.getByLabel(/Reason/).fill('too loud');
    await dialog.getByRole('button', { name: 'Roll back to #1' }).click();
    await dialog.getByText('5fe2a18').waitFor();
    assert.deepEqual(dashboard.stub.sent.at(-1), {
      what: 'POST /api/v1/owners/demo/functions/hello/revert',
      body: { toCommit: sha('1ab8c74'), reason: 'too loud', expectedCommit: sha('4be1f07') },
    });
    assert.equal(await dialog.locator('li.done').count(), 1);
    serveRestored();
    await dialog.getByRole('button', { name: 'Done' }).waitFor();
    assert.equal(await dialog.locator('li.done').count(), 3);
    await dialog.getByRole('button', { name: 'Done' }).click();
    await dashboard.shows('hello is back at #1, as #5');
    await dashboard.page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
    await dashboard.until('the undo is sent', () => dashboard.stub.sent.length === 2);
    assert.deepEqual(dashboard.stub.sent[1]?.body, {
      toCommit: sha('4be1f07'),
      reason: 'Undo of a rollback',
      expectedCommit: sha('5fe2a18'),
    });
  });

  it('says that the function changed meanwhile, shows the new difference, and rolls back nothing', async () => {
    await dashboard.open('/demo/hello/deploys');
    await dashboard.page.getByRole('button', { name: 'Roll back to #1' }).click();
    const dialog = dashboard.page.getByRole('dialog');
    await dialog.getByText('env GREETING changed').waitFor();
    dashboard.stub.state.revert = () => {
      dashboard.stub.state.history['hello'] = [
        history({ number: 5, commit: sha('99aa'), current: true }),
        ...exampleHistory(),
      ];
      return { status: 409, body: problem(409, 'the function changed') };
    };
    await dialog.getByRole('button', { name: 'Roll back to #1' }).click();
    await dialog.getByText('hello changed since you opened this.').waitFor();
    await dialog.getByText('What changes from #5 to #1').waitFor();
    rollBack(dashboard.stub.state);
    await dialog.getByRole('button', { name: 'Roll back to #1' }).click();
    await dialog.getByText('Committed').waitFor();
    assert.deepEqual(dashboard.stub.sent.at(-1)?.body, {
      toCommit: sha('1ab8c74'),
      reason: '',
      expectedCommit: sha('99aa'),
    });
  });

  it('shows a failure with its request id and leaves the dialog open', async () => {
    await dashboard.open('/demo/hello/deploys', {
      state: (state) => {
        state.revert = () => ({
          status: 503,
          body: {
            ...problem(503, 'the GitOps repository is away', 'remote_unavailable'),
            hint: 'Try again soon.',
          },
        });
      },
    });
    await dashboard.page.getByRole('button', { name: 'Roll back to #2' }).click();
    await dashboard.page.getByRole('dialog').getByRole('button', { name: 'Roll back to #2' }).click();
    const alert = dashboard.page.getByRole('dialog').getByRole('alert');
    await alert.getByText('the GitOps repository is away').waitFor();
    assert.match(await alert.innerText(), /Try again soon\.[\s\S]*req-7f3a/);
  });

  it('can be rolled back with the keyboard alone, and gives the focus back', async () => {
    await dashboard.open('/demo', { state: rollBack });
    await dashboard.page.keyboard.press('Tab');
    assert.equal(
      await dashboard.page.evaluate(() => document.activeElement?.textContent?.trim()),
      'Skip to the content',
    );
    await dashboard.page.locator('.function-row').first().waitFor();
    for (const _ of [1, 2, 3, 4]) await dashboard.page.keyboard.press('j');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.waitForURL('**/demo/hello');
    await dashboard.until('the heading has the focus', () =>
      dashboard.page.evaluate(() => document.activeElement?.tagName === 'H1'),
    );
    const tabTo = async (name: RegExp) => {
      for (let presses = 0; presses < 60; presses++) {
        await dashboard.page.keyboard.press('Tab');
        const text = await dashboard.page.evaluate(() => document.activeElement?.textContent ?? '');
        if (name.test(text)) return;
      }
      assert.fail(`Tab never reached ${name}`);
    };
    await tabTo(/^Deploys$/);
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.locator('.history-row').first().waitFor();
    await tabTo(/^Roll back to #1$/);
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.getByRole('dialog').locator('table').waitFor();
    await dashboard.page.keyboard.press('Escape');
    await dashboard.page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.match(
      await dashboard.page.evaluate(() => document.activeElement?.textContent ?? ''),
      /Roll back to #1/,
    );
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.getByRole('dialog').locator('table').waitFor();
    await tabTo(/^Roll back to #1$/);
    await dashboard.page.keyboard.press('Enter');
    await dashboard.page.getByText('5fe2a18').first().waitFor();
    serveRestored();
    await dashboard.page.getByRole('button', { name: 'Done' }).waitFor();
    await dashboard.page.keyboard.press('Enter');
    await dashboard.shows('hello is back at #1, as #5');
  });
});
