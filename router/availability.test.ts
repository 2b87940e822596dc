import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { type Edge, readUntil, startEdge, until } from './edge.fixture.test.ts';

let edge: Edge;
before(async () => {
  edge = await startEdge({ maxWaiting: 3, maxInFlight: 2 });
  edge.catalog.serve('alice', 'known', 1);
});
after(() => edge[Symbol.asyncDispose]());

test('an unknown owner and an unknown function are 404s that say which', async () => {
  const owner = await edge.get('/hello', { headers: { Host: 'nobody.localhost' } });
  assert.equal(owner.status, 404);
  assert.equal(JSON.parse(owner.body).detail, 'no owner nobody here');
  const missing = await edge.get('/nothing/x?token=secret');
  assert.equal(missing.status, 404);
  const problem = JSON.parse(missing.body);
  assert.equal(problem.detail, 'alice has no function nothing');
  assert.equal(problem.code, 'not_found');
  assert.equal(problem.requestId, missing.headers['x-towline-request-id']);
  assert.equal(missing.headers['content-type'], 'application/problem+json');
  assert.equal(missing.headers['cache-control'], 'no-store');
  assert.doesNotMatch(missing.body, /secret/);
});

test('what cannot be seen of an owner is no 404: it may be there, and why is not for visitors', async () => {
  await using blind = await startEdge();
  const cause = 'the namespace tenant-bob cannot be read: 403';
  let isBlank = true;
  blind.catalog.unseen = (owner) => (owner === 'bob' ? { cause, isBlank } : undefined);
  const ask = (owner: string) => blind.get('/hello', { headers: { Host: `${owner}.localhost` } });
  const answer = await ask('bob');
  assert.equal(answer.status, 503);
  assert.equal(JSON.parse(answer.body).detail, 'the functions of bob cannot be seen at the moment');
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assert.equal((await ask('carol')).status, 404);
  // By the last good table there is none.
  isBlank = false;
  assert.equal((await ask('bob')).status, 404);
});

test('an owner’s root says what to do and lists nothing', async () => {
  for (const host of ['alice.localhost', 'nobody.localhost']) {
    const answer = await edge.get('/', { headers: { Host: host } });
    assert.equal(answer.status, 404);
    assert.match(JSON.parse(answer.body).hint, /<function>$/);
    assert.doesNotMatch(answer.body, /known/);
  }
});

test('a browser gets a page with the same words, escaped and without anything that runs', async () => {
  edge.catalog.set('alice', 'bad', { status: 'Failed', publicReason: '<script>alert("1")</script> & so on' });
  const answer = await edge.get('/bad', { headers: { Accept: 'text/html,application/xhtml+xml,*/*' } });
  assert.equal(answer.status, 503);
  assert.match(answer.headers['content-type']!, /^text\/html/);
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
  assert.ok(answer.body.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; so on'));
  assert.doesNotMatch(answer.body, /<script/);
});

test('what is on its way, failed or restarting is a 503 with the word, the reason and Retry-After', async () => {
  edge.pendings.set('carol/new', {
    status: 'Building',
    reason: 'its first deploy is being built: hunter2',
    publicReason: 'its first deploy is being built',
  });
  edge.catalog.set('alice', 'deploying', { status: 'Deploying', reason: null });
  edge.catalog.set('alice', 'failed', {
    status: 'Failed',
    reason: 'it printed hunter2',
    publicReason: 'it does not start',
  });
  edge.catalog.set('alice', 'degraded', {
    status: 'Degraded',
    reason: 'exit code 9',
    publicReason: 'restarting',
  });
  const rows: [path: string, host: string, detail: string][] = [
    ['/new', 'carol.localhost', 'carol/new is Building: its first deploy is being built'],
    ['/deploying', 'alice.localhost', 'alice/deploying is Deploying'],
    ['/failed', 'alice.localhost', 'alice/failed is Failed: it does not start'],
    ['/degraded', 'alice.localhost', 'alice/degraded is Degraded: restarting'],
  ];
  for (const [path, host, detail] of rows) {
    const answer = await edge.get(path, { headers: { Host: host } });
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.body).detail, detail);
    assert.doesNotMatch(answer.body, /hunter2/);
    assert.ok(Number(answer.headers['retry-after']) > 0);
  }
});

test('a function that still serves is served, whatever its status says', async () => {
  await edge.upstream((_req, res) => void res.end('old version'), 'held');
  const { targets } = edge.catalog.lookup('alice', 'held')!;
  edge.catalog.set('alice', 'held', { status: 'Degraded', reason: 'the new one is unhealthy', targets });
  assert.equal((await edge.get('/held')).body, 'old version');
});

test('requests for a sleeping function wait for one wake, bodies and all; too many are refused', async () => {
  const server = await edge.upstream(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    res.end(`woken ${body}`);
  }, 'sleepy');
  edge.catalog.set('alice', 'sleepy', { status: 'Asleep' });
  let wakeUp: () => void = () => {};
  edge.catalog.onWake = () =>
    new Promise((resolve) => {
      wakeUp = () => resolve(edge.catalog.serve('alice', 'sleepy', server.port));
    });
  const before = edge.catalog.wakes;
  const asked = [1, 2, 3].map((n) => edge.get('/sleepy', { method: 'POST', body: `${n}` }));
  await until(() => edge.router.metrics.wakes === 3);
  const refused = await edge.get('/sleepy');
  assert.equal(refused.status, 503);
  wakeUp();
  const answers = await Promise.all(asked);
  assert.equal(edge.catalog.wakes - before, 1);
  assert.equal(answers[0]!.headers['x-cold-start'], 'true');
  assert.equal((await edge.get('/sleepy')).headers['x-cold-start'], undefined);
  // maxInFlight is 2: the third finds the target full.
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 200, 503]);
  assert.match(answers.find((answer) => answer.status === 200)!.body, /^woken [123]$/);
});

test('a wake that fails says why, one that takes too long is a 504, and a client that leaves is forgotten', async () => {
  edge.catalog.set('alice', 'sleepy', { status: 'Asleep' });
  edge.catalog.onWake = async () => {
    throw new TowlineError('unavailable', 'sleepy did not get healthy');
  };
  const failed = await edge.get('/sleepy');
  assert.equal(failed.status, 503);
  assert.equal(JSON.parse(failed.body).detail, 'sleepy did not get healthy');
  let signal: AbortSignal | undefined;
  edge.catalog.onWake = (_owner, _name, given) => {
    signal = given;
    return new Promise(() => {});
  };
  const socket = await edge.connect();
  socket.write('GET /sleepy HTTP/1.1\r\nHost: alice.localhost\r\n\r\n');
  await until(() => signal !== undefined);
  socket.destroy();
  await until(() => edge.router.metrics.inFlight === 0);
  await until(() => signal!.aborted);
  await using hasty = await startEdge({ wakeTimeoutMs: 100 });
  hasty.catalog.set('alice', 'sleepy', { status: 'Asleep' });
  let late: AbortSignal | undefined;
  hasty.catalog.onWake = (_owner, _name, given) => {
    late = given;
    return new Promise(() => {});
  };
  assert.equal((await hasty.get('/sleepy')).status, 504);
  assert.equal(late!.aborted, true);
  edge.catalog.onWake = async () => {
    throw new Error('a secret path');
  };
  const broken = await edge.get('/sleepy');
  assert.equal(broken.status, 503);
  assert.doesNotMatch(broken.body, /secret/);
});

test('more requests than a target may have in flight are refused at once', async () => {
  let waiting = 0;
  await edge.upstream(() => {
    waiting += 1;
  }, 'full');
  const first = [await edge.connect(), await edge.connect()];
  for (const socket of first) socket.write('GET /full HTTP/1.1\r\nHost: alice.localhost\r\n\r\n');
  await until(() => waiting === 2);
  assert.equal((await edge.get('/full')).status, 503);
  for (const socket of first) socket.destroy();
  await until(() => edge.router.metrics.inFlight === 0);
});

test('every request is told to the catalog', async () => {
  const before = edge.catalog.touched;
  await edge.get('/known', { method: 'HEAD' });
  assert.ok(edge.catalog.touched > before);
});

test('a router that is shut down breaks what is in flight and leaves the catalog alone', async () => {
  const other = await startEdge();
  let reached = false;
  await other.upstream(() => {
    reached = true;
  });
  const socket = await other.connect();
  socket.write('GET /fn HTTP/1.1\r\nHost: alice.localhost\r\n\r\n');
  await until(() => reached);
  const closed = once(socket, 'close');
  socket.on('end', () => socket.end()).resume();
  await other.router[Symbol.asyncDispose]();
  await closed;
  assert.equal(other.catalog.listeners.size, 0);
  await other[Symbol.asyncDispose]();
});

test('HEAD of a missing function has no body', async () => {
  const socket = await edge.connect();
  socket.write('HEAD /nothing HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n');
  assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 404[\s\S]*\r\n\r\n$/);
});
