import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { type Edge, fieldsOf, startEdge } from './edge.fixture.test.ts';

let edge: Edge;
let seen: { headers: IncomingHttpHeaders; raw: string[]; url: string; method: string };
before(async () => {
  edge = await startEdge({ platformCookies: ['__Host-towline'] });
  await edge.upstream((req, res) => {
    seen = { headers: req.headers, raw: req.rawHeaders, url: req.url!, method: req.method! };
    res.setHeader('Connection', 'X-Resp-Hop, keep-alive');
    res.setHeader('X-Resp-Hop', '1');
    res.setHeader('Keep-Alive', 'timeout=99');
    res.setHeader('Proxy-Authenticate', 'Basic');
    res.setHeader('X-Towline-Owner', 'forged');
    res.setHeader('Alt-Svc', 'h3=":443"');
    res.setHeader('Clear-Site-Data', '"cookies"');
    res.setHeader('Strict-Transport-Security', 'max-age=1');
    res.setHeader('Service-Worker-Allowed', '/');
    res.setHeader('Content-Security-Policy', "default-src 'self'");
    res.setHeader('X-Accel-Buffering', 'no');
    res.setHeader('Set-Cookie', ['a=1', 'B=2; Path=/', 'c=3; Domain=localhost', '__Host-towline=x', 'd=4']);
    res.end('ok');
  });
});
after(() => edge[Symbol.asyncDispose]());

test('hop-by-hop fields and those that Connection names stop at the edge, both ways', async () => {
  const answer = await edge.get('/fn', {
    headers: {
      Connection: 'X-Secret, keep-alive, X-Forwarded-For, Authorization, Cookie',
      'X-Secret': '1',
      'Keep-Alive': '',
      'Proxy-Connection': 'x',
      'Proxy-Authorization': 'x',
      TE: 'gzip',
      Authorization: 'Bearer mine',
      Cookie: 'a=1',
    },
  });
  for (const name of ['x-secret', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'trailer']) {
    assert.equal(seen.headers[name], undefined, name);
  }
  assert.equal(seen.headers.authorization, 'Bearer mine');
  assert.equal(seen.headers.cookie, 'a=1');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  for (const name of ['x-resp-hop', 'proxy-authenticate', 'x-towline-owner']) {
    assert.equal(answer.headers[name], undefined, name);
  }
  assert.notEqual(answer.headers['keep-alive'], 'timeout=99');
  assert.equal(answer.headers['x-accel-buffering'], 'no');
});

test('TE: trailers is passed on, and nothing else of TE', async () => {
  for (const [sent, expected] of [
    ['trailers, deflate', 'trailers'],
    ['trailers;q=0.5', undefined],
    ['gzip', undefined],
  ]) {
    await edge.get('/fn', { headers: { TE: sent } });
    assert.equal(seen.headers.te, expected);
  }
});

test('what only the edge may say is removed in every spelling, then said', async () => {
  const forged = [
    'X-Forwarded-For',
    'X_Forwarded_For',
    'x-forwarded_proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'X-Forwarded-User',
    'Forwarded',
    'X-Real-IP',
    'X-User',
    'X_User',
    'X-Towline-Owner',
    'X_Towline_Owner',
    'x-towline-request-id',
    'X-Original-URL',
    'X-Auth-Request-Email',
    'X_Auth_Request_Email',
    'X-Call-Id',
  ];
  await edge.get('/fn/x', { headers: Object.fromEntries(forged.map((name) => [name, 'forged'])) });
  assert.deepEqual(
    seen.raw.filter((part) => part.includes('forged')),
    [],
  );
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen.headers['x-forwarded-proto'], 'http');
  assert.equal(seen.headers['x-forwarded-host'], 'alice.localhost:8080');
  assert.equal(seen.headers['x-forwarded-prefix'], '/fn');
  assert.equal(seen.headers.host, 'alice.localhost:8080');
});

test('a trusted proxy’s word is passed on, with its own address added', async () => {
  await using behind = await startEdge({ trustedProxies: ['127.0.0.0/8'] });
  let headers: IncomingHttpHeaders = {};
  await behind.upstream((req, res) => {
    headers = req.headers;
    res.end();
  });
  const sent = {
    'X-Forwarded-For': '203.0.113.9',
    'X-Forwarded-Proto': 'https',
    'X-Towline-Request-Id': 'abc',
  };
  const answer = await behind.get('/fn', { headers: sent });
  assert.equal(headers['x-forwarded-for'], '203.0.113.9, 127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.equal(answer.headers['x-towline-request-id'], 'abc');
});

test('a request id is on both sides, new for each request', async () => {
  const one = await edge.get('/fn');
  assert.equal(seen.headers['x-towline-request-id'], one.headers['x-towline-request-id']);
  assert.equal(seen.headers['x-call-id'], one.headers['x-towline-request-id']);
  const two = await edge.get('/fn');
  assert.notEqual(one.headers['x-towline-request-id'], two.headers['x-towline-request-id']);
});

test('the platform’s cookies stay away from the function, and two Cookie lines become one', async () => {
  await edge.raw(
    'GET /fn HTTP/1.1\r\nHost: alice.localhost\r\nCookie: a=1; __Host-towline=s\r\nCookie: b=2\r\nConnection: close\r\n\r\n',
  );
  assert.deepEqual(
    seen.raw.filter((_, i) => seen.raw[i - 1]?.toLowerCase() === 'cookie'),
    ['a=1; b=2'],
  );
  await edge.get('/fn', { headers: { Cookie: '__Host-towline=s' } });
  assert.equal(seen.headers.cookie, undefined);
});

test('on its own host a function keeps its cookies, except the platform’s and those for other hosts', async () => {
  const before = edge.router.metrics.cookiesDropped;
  const answer = await edge.get('/fn');
  assert.deepEqual(fieldsOf(answer, 'set-cookie'), ['a=1', 'B=2; Path=/', 'd=4']);
  assert.equal(edge.router.metrics.cookiesDropped - before, 2);
  assert.equal(answer.headers['alt-svc'], undefined);
  assert.equal(answer.headers['clear-site-data'], undefined);
  assert.equal(answer.headers['strict-transport-security'], 'max-age=1');
  assert.equal(answer.headers['content-security-policy'], "default-src 'self'");
});

test('on the platform’s origin a function is sandboxed and sets nothing that outlives its page', async () => {
  const answer = await edge.get('/~alice/fn/x', { headers: { Host: 'localhost:8080' } });
  assert.equal(answer.body, 'ok');
  assert.equal(seen.headers['x-forwarded-prefix'], '/~alice/fn');
  assert.equal(seen.url, '/x');
  const policies = fieldsOf(answer, 'content-security-policy');
  assert.deepEqual(policies, [
    "default-src 'self'",
    'sandbox allow-scripts allow-forms allow-popups allow-downloads',
  ]);
  assert.deepEqual(fieldsOf(answer, 'x-content-type-options'), ['nosniff']);
  for (const name of [
    'set-cookie',
    'service-worker-allowed',
    'strict-transport-security',
    'clear-site-data',
  ]) {
    assert.deepEqual(fieldsOf(answer, name), [], name);
  }
});

test('no User-Agent and no Accept are invented', async () => {
  await edge.raw('GET /fn HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n');
  assert.equal(seen.headers['user-agent'], undefined);
  assert.equal(seen.headers.accept, undefined);
});

test('a request that goes in a circle is stopped', async () => {
  const once = await edge.get('/fn', { headers: { Via: '1.1 towline' } });
  assert.equal(once.status, 200);
  assert.equal(seen.headers.via, '1.1 towline, 1.1 towline');
  const twice = await edge.get('/fn', { headers: { Via: '1.1 towline, 1.1 towline' } });
  assert.equal(twice.status, 508);
});

test('a target with a name of its own is called by it, and told what the visitor said', async () => {
  await using gateway = await startEdge();
  const seenHosts: (string | undefined)[][] = [];
  const { port } = await gateway.upstream((req, res) => {
    seenHosts.push([req.headers.host, req.headers['x-forwarded-host'] as string]);
    res.end(req.headers.host);
  });
  const origin = `http://127.0.0.1:${port}`;
  for (const name of ['one', 'two']) {
    gateway.catalog.set('alice', name, { targets: [{ origin, host: `alice-${name}.fn.svc.cluster.local` }] });
  }
  const bodies = [await gateway.get('/one'), await gateway.get('/two')].map(({ body }) => body);
  assert.deepEqual(bodies, ['alice-one.fn.svc.cluster.local', 'alice-two.fn.svc.cluster.local']);
  assert.deepEqual(seenHosts[0], ['alice-one.fn.svc.cluster.local', 'alice.localhost:8080']);
  // The one that goes leaves the other's connections alone, though both lead to the same gateway.
  gateway.catalog.set('alice', 'one', { targets: [] });
  assert.equal((await gateway.get('/two')).status, 200);
});
