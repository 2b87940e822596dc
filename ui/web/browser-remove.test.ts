import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { everythingWaits } from './testing/held-platform.ts';
import { problem, type StubState } from './testing/platform-stub.ts';
import { entry } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

const button = (name: string) => dashboard.page.getByRole('button', { name, exact: true });
const dialog = () => dashboard.page.getByRole('dialog');
const confirm = () => dialog().getByRole('button', { name: 'Remove', exact: true });
const typed = () => dialog().getByRole('textbox', { name: 'Type hello to confirm' });

function removes(state: StubState): void {
  const body = { functionNames: ['hello'], commit: 'f00', unchanged: false, waiting: null };
  state.change = () => ({ status: 200, body });
}

describe('removing a function', () => {
  it('asks for its name and why, and says that a push may bring it back', async () => {
    await dashboard.open('/demo/hello', { state: removes });
    await button('Remove').click();
    await dialog().getByText('the next push there deploys it again').waitFor();
    await typed().fill('hell');
    assert.equal(await confirm().isDisabled(), true);
    await typed().press('Enter');
    await typed().fill('hello');
    await dialog()
      .getByRole('textbox', { name: /Reason/ })
      .fill('replaced & gone');
    await confirm().click();
    await dashboard.shows('hello is removed');
    assert.deepEqual(
      dashboard.stub.sent.map(({ what }) => what),
      ['DELETE /api/v1/owners/demo/functions/hello?environment=default&reason=replaced+%26+gone'],
    );
  });

  it('is done in one of several environments, which the dialog names', async () => {
    await dashboard.open('/demo/hello', {
      state: (state) => {
        everythingWaits(state);
        removes(state);
      },
    });
    await button('Remove from staging').click();
    await dialog().getByRole('heading', { name: 'Remove hello from staging?' }).waitFor();
    await typed().fill('hello');
    await confirm().click();
    await dashboard.shows('hello is removed from staging');
    assert.equal(
      dashboard.stub.sent.at(-1)?.what,
      'DELETE /api/v1/owners/demo/functions/hello?environment=staging',
    );
  });

  it('shows what the platform refuses, and removes nothing', async () => {
    await dashboard.open('/demo/hello', {
      state: (state) => {
        const body = problem(503, 'the GitOps repository is away', 'remote_unavailable');
        state.change = () => ({ status: 503, body });
      },
    });
    await button('Remove').click();
    await typed().fill('hello');
    await confirm().click();
    const alert = dialog().getByRole('alert');
    await alert.getByText('the GitOps repository is away').waitFor();
    assert.match(await alert.innerText(), /Nothing was removed\./);
  });

  it('is not offered to those who may only look, nor while it goes', async () => {
    await dashboard.open('/demo/hello', { state: (state) => Object.assign(state.me, { mayChange: [] }) });
    await dashboard.page.locator('.yaml').waitFor();
    assert.equal(await button('Remove').count(), 0);
    await dashboard.close();
    await dashboard.open('/demo/hello');
    await button('Remove').waitFor();
    const going = entry({ status: 'Deleting' });
    const change = { owner: 'demo', functionName: 'hello', entry: going };
    dashboard.stub.state.functions = dashboard.stub.state.functions.map((row) =>
      row.functionName === 'hello' ? { ...row, status: 'Deleting', serving: 'Deleting' } : row,
    );
    Object.assign(dashboard.stub.state.details['hello']!.summary, {
      status: 'Deleting',
      serving: 'Deleting',
    });
    dashboard.stub.emit({ type: 'function.changed', ownerId: 'o-1', owner: 'demo', change });
    await dashboard.until('no button', async () => (await button('Remove').count()) === 0);
  });
});
