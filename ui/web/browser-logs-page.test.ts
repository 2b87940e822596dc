import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Dashboard } from './testing/dashboard.ts';
import { logLine } from './testing/records.ts';

let dashboard: Dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.[Symbol.asyncDispose]());
afterEach(() => dashboard.close());

const lines = () => dashboard.page.locator('.log-line').allInnerTexts();
const output = 'output of hello';

describe('the logs of a function', () => {
  it('are what it prints, as it comes, with times', async () => {
    await dashboard.open('/demo/hello');
    await dashboard.page.getByRole('link', { name: 'Logs' }).click();
    await dashboard.shows('Live, 3 lines');
    assert.match((await lines())[0] ?? '', /^1\s+\d\d:\d\d:\d\d\s+listening on port 8080$/);
    dashboard.stub.log(output, [logLine(4, 'GET /colours \u001b[32m200\u001b[0m')]);
    await dashboard.shows('GET /colours 200');
    assert.equal(await dashboard.page.locator('.log-toolbar a').getAttribute('download'), 'demo-hello.log');
  });

  it('are told anew after a lost link: nothing is missing, nothing is twice', async () => {
    await dashboard.open('/demo/hello/logs');
    await dashboard.shows('Live, 3 lines');
    dashboard.stub.setStreams(false);
    await dashboard.shows('Reconnecting, 3 lines');
    dashboard.stub.log(output, [logLine(4, 'printed meanwhile')]);
    dashboard.stub.setStreams(true);
    await dashboard.shows('Live, 4 lines');
    assert.equal((await lines()).length, 4);
  });

  it('say so where nothing has been printed', async () => {
    await dashboard.open('/demo/hello/logs', {
      state: (state) => {
        state.logs[output] = [];
      },
    });
    await dashboard.shows('It has printed nothing yet.');
  });

  it('have no page where the platform does not keep them', async () => {
    await dashboard.open('/demo/hello', {
      state: (state) => {
        state.me.hasOutput = false;
      },
    });
    await dashboard.page.getByRole('link', { name: 'Deploys', exact: true }).waitFor();
    assert.equal(await dashboard.page.getByRole('link', { name: 'Logs' }).count(), 0);
  });
});
