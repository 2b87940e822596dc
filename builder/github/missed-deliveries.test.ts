import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { startGitHubDouble } from '../../test/forges/github-double.ts';
import { createGitHubApp } from './github-app.ts';
import { createMissedDeliveries } from './missed-deliveries.ts';

const minute = 60_000;
const { signal } = new AbortController();

/** GitHub's double, a way in that answers `status`, and looks every ten minutes of a clock of their own. */
async function startSurroundings() {
  await using stack = new AsyncDisposableStack();
  const way = { status: 202, heard: [] as string[] };
  const server = createServer((req, res) => {
    req.resume().on('end', () => {
      way.heard.push(String(req.headers['x-github-delivery']));
      res.writeHead(way.status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const github = stack.use(await startGitHubDouble({ webhookUrl: () => url }));
  const { id, privateKey } = github.app;
  const app = createGitHubApp({ appId: String(id), privateKey, apiUrl: github.origin });
  const missed = createMissedDeliveries({ app, now: Date.now });
  let since: number | undefined;
  const resources = stack.move();
  return {
    github,
    way,
    async deliver(guid: string) {
      await github.deliver('ping', { zen: 'x' }, guid);
      return guid;
    },
    /** Resolves when all that is asked for has been delivered. */
    async look() {
      const known = github.state.deliveries.length;
      const found = await missed.look(since, signal);
      since = found.since;
      const isDone = () =>
        github.state.deliveries.length === known + found.redelivered &&
        way.heard.length === github.state.deliveries.length;
      while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 2));
      return found;
    },
    /** GitHub forgets what is older than three days. */
    pass(ms: number) {
      for (const each of github.state.deliveries)
        each.deliveredAt = new Date(Date.parse(each.deliveredAt) - ms).toISOString();
      if (since !== undefined) since -= ms;
    },
    asked: () => github.calls.filter(({ path }) => path.endsWith('/attempts')).length,
    attemptsOf: (guid: string) => way.heard.filter((each) => each === guid).length,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

describe('what GitHub could not deliver', () => {
  it('is delivered soon after the way in is back, however long it was away', async () => {
    await using bed = await startSurroundings();
    bed.way.status = 502;
    await bed.deliver('one');
    for (let looks = 0; looks < 100; looks += 1) {
      await bed.look();
      bed.pass(10 * minute);
    }
    const attempts = bed.attemptsOf('one');
    assert.ok(attempts > 20 && attempts < 50, `${attempts} attempts within 17 hours`);
    bed.way.status = 202;
    for (let looks = 0; looks < 4; looks += 1) {
      await bed.look();
      bed.pass(10 * minute);
    }
    assert.equal(bed.attemptsOf('one'), attempts + 1);
    const { since } = await bed.look();
    assert.ok(since > Date.now() - 2 * minute);
  });

  it('is delivered oldest first', async () => {
    await using bed = await startSurroundings();
    bed.way.status = 500;
    await bed.deliver('one');
    await bed.deliver('two');
    bed.way.status = 202;
    await bed.look();
    assert.deepEqual(bed.way.heard.slice(0, 2), ['one', 'two']);
    assert.deepEqual(bed.way.heard.slice(2).sort(), ['one', 'two']);
    assert.equal((await bed.look()).redelivered, 0);
  });

  it('is asked for less and less if it is refused each time, and for no longer than three days', async () => {
    await using bed = await startSurroundings();
    bed.way.status = 401;
    await bed.deliver('one');
    for (let looks = 0; looks < 6 * 24 * 4; looks += 1) {
      await bed.look();
      bed.pass(10 * minute);
    }
    const attempts = bed.attemptsOf('one');
    assert.ok(attempts > 6 && attempts < 15, `${attempts} attempts`);
  });

  it('holds nothing up that comes after it if GitHub does not send it again', async () => {
    for (const status of [404, 422]) {
      await using bed = await startSurroundings();
      bed.way.status = 502;
      await bed.deliver('old');
      await bed.deliver('next');
      bed.way.status = 202;
      const [old] = bed.github.state.deliveries;
      bed.github.faults.answer = ({ url }) =>
        url.pathname.endsWith(`/${old?.id}/attempts`)
          ? { status, body: { message: 'Not Found', documentation_url: 'about:blank' } }
          : undefined;
      const first = await bed.look();
      assert.deepEqual([first.redelivered, first.refused], [1, 1]);
      assert.deepEqual([bed.attemptsOf('old'), bed.attemptsOf('next')], [1, 2]);
      bed.pass(10 * minute);
      // Settled: neither asked for again, nor a reason to look back so far.
      const second = await bed.look();
      assert.deepEqual([second.redelivered, second.refused, bed.asked()], [0, 0, 2]);
      assert.ok(second.since > Date.now() - 2 * minute);
    }
  });

  it('waits for the next look when GitHub limits requests', async () => {
    await using bed = await startSurroundings();
    bed.way.status = 502;
    await bed.deliver('one');
    await bed.deliver('two');
    bed.way.status = 202;
    bed.github.limitSecondary(60, 'POST /app/hook/deliveries/{delivery_id}/attempts');
    await assert.rejects(bed.look(), { code: 'remote_unavailable' });
    assert.equal(bed.asked(), 1);
    await bed.look();
    assert.deepEqual([bed.attemptsOf('one'), bed.attemptsOf('two')], [2, 2]);
  });
});
