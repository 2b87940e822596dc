import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { after, before, test } from 'node:test';
import { type Edge, readUntil, startEdge, until } from './edge.fixture.test.ts';

let edge: Edge;
before(async () => {
  // Limits that no test here reaches on the slowest machine; what a limit does is asked of an edge with that one limit.
  edge = await startEdge({ connectTimeoutMs: 60_000 });
});
after(() => edge[Symbol.asyncDispose]());

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: alice.localhost\r\n${more}\r\n`;

test('an event reaches the client while the answer goes on, and headers before any event', async () => {
  await using restless = await startEdge({ bodyIdleTimeoutMs: 100 });
  let res: http.ServerResponse | undefined;
  await restless.upstream((_req, response) => {
    res = response;
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
  });
  await restless.upstream((_req, response) => void response.write('half'), 'other');
  const socket = await restless.connect();
  socket.write(get('/fn'));
  const head = await readUntil(socket, '\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(head, /content-length/i);
  res!.write('data: 1\n\n');
  assert.match(await readUntil(socket, 'data: 1\n\n'), /data: 1/);
  // An event stream may be silent for longer than other bodies.
  await assert.rejects(restless.get('/other'));
  res!.write('data: 2\n\n');
  assert.match(await readUntil(socket, 'data: 2\n\n'), /data: 2/);
  socket.destroy();
  await once(res!, 'close');
});

test('the first byte of an upload is at the function before the last is sent, and the answer comes meanwhile', async () => {
  await edge.upstream((req, res) => void req.pipe(res));
  const socket = await edge.connect();
  socket.write(
    'POST /fn HTTP/1.1\r\nHost: alice.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n',
  );
  assert.match(await readUntil(socket, 'one'), /HTTP\/1\.1 200[\s\S]*one/);
  socket.write('3\r\ntwo\r\n0\r\n\r\n');
  assert.match(await readUntil(socket, '0\r\n\r\n'), /two/);
});

test('a slow client slows the function: the answer is not piled up here, and arrives whole', async () => {
  const block = randomBytes(1 << 20);
  const blocks = 48;
  const hash = createHash('sha256');
  let written = 0;
  await edge.upstream(async (_req, res) => {
    for (let i = 0; i < blocks; i += 1) {
      written += 1;
      hash.update(block);
      if (!res.write(block)) await once(res, 'drain');
    }
    res.end();
  });
  const answer = await new Promise<http.IncomingMessage>((resolve) =>
    http.get(
      { port: edge.port, host: '127.0.0.1', path: '/fn', headers: { Host: 'alice.localhost' } },
      resolve,
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.ok(written < blocks, 'the function went on writing although nobody read');
  const got = createHash('sha256');
  for await (const chunk of answer) got.update(chunk);
  assert.equal(got.digest('hex'), hash.digest('hex'));
});

test('a client that goes away takes the function’s work with it, at every stage', async () => {
  const before = edge.router.metrics.clientAborts;
  let started = 0;
  let closed = 0;
  await edge.upstream((req, res) => {
    started += 1;
    res.on('close', () => {
      closed += 1;
    });
    if (req.url === '/body') res.write('half');
  });
  for (const request of [
    get('/fn/silent'),
    get('/fn/body'),
    'POST /fn HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 10\r\n\r\nhalf',
  ]) {
    const socket = await edge.connect();
    const expected = started + 1;
    socket.write(request);
    await until(() => started === expected);
    socket.destroy();
    await until(() => closed === expected);
  }
  await until(() => edge.router.metrics.inFlight === 0);
  assert.equal(edge.router.metrics.clientAborts - before, 3);
});

test('a function that dies in the middle of its answer breaks the client’s connection', async () => {
  for (const head of ['Content-Length: 100\r\n\r\nhalf', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
    await edge.rawUpstream((socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}`);
        setTimeout(() => socket.destroy(), 20);
      }),
    );
    const answer = await edge.raw(get('/raw')).catch((error: Error) => error.message);
    assert.doesNotMatch(answer, /0\r\n\r\n$/);
    await assert.rejects(edge.get('/raw'));
  }
});

test('a function that falls silent in the middle of its answer is broken off', async () => {
  await using restless = await startEdge({ bodyIdleTimeoutMs: 100 });
  await restless.upstream((_req, res) => void res.write('half'));
  await assert.rejects(restless.get('/fn'));
});

test('what a function does wrong before its answer becomes 502, and 504 if it says nothing', async () => {
  await using hasty = await startEdge({ headersTimeoutMs: 100 });
  const rows: [name: string, bytes: string | undefined, status: number][] = [
    ['closes', '', 502],
    ['garbage', 'SSH-2.0-x\r\n', 502],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 502],
    [
      'length and chunked',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      502,
    ],
    ['status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n', 502],
    ['unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 502],
    ['long header', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 502],
    ['silence', undefined, 504],
  ];
  for (const [name, bytes, status] of rows) {
    const at = bytes === undefined ? hasty : edge;
    await at.rawUpstream((socket) =>
      socket.once('data', () => {
        if (bytes !== undefined) socket.end(bytes);
      }),
    );
    const answer = await at.get('/raw');
    assert.equal(answer.status, status, `${name}: ${answer.body}`);
    assert.match(JSON.parse(answer.body).detail, /^alice\/raw /);
    assert.doesNotMatch(answer.body, /127\.0\.0\.1|UND_ERR|ECONN/);
    assert.equal(answer.headers['cache-control'], 'no-store');
  }
});

test('a request body that stops is given up with 408', async () => {
  await using restless = await startEdge({ bodyIdleTimeoutMs: 100 });
  await restless.upstream((req) => void req.resume());
  const answer = await restless.raw(
    'POST /fn HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 9\r\n\r\nhalf',
  );
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

test('an answer that comes before the upload is over is delivered, and the connection closed', async () => {
  await edge.upstream((_req, res) => void res.writeHead(413, { Connection: 'close' }).end('too much'));
  const answer = await edge.raw(
    'POST /fn HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 99999\r\n\r\nsome',
  );
  assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*too much/i);
});

test('HEAD, 204 and 304 have no body, and the next request on the connection is clean', async () => {
  await edge.upstream((req, res) => {
    if (req.url === '/204') res.writeHead(204).end();
    else if (req.url === '/304') res.writeHead(304, { 'Content-Length': 5, ETag: '"x"' }).end();
    else res.writeHead(200, { 'Content-Length': 5 }).end(req.method === 'HEAD' ? undefined : 'hello');
  });
  const requests = `HEAD /fn HTTP/1.1\r\nHost: alice.localhost\r\n\r\n`;
  const socket = await edge.connect();
  for (const [request, status] of [
    [requests, 200],
    [get('/fn/204'), 204],
    [get('/fn/304'), 304],
  ] as const) {
    socket.write(request);
    const answer = await readUntil(socket, '\r\n\r\n');
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(answer, /\r\n\r\n$/);
    if (status === 200) assert.match(answer, /content-length: 5/i);
    if (status === 204) assert.doesNotMatch(answer, /content-length|transfer-encoding/i);
  }
  socket.write(get('/fn', 'Connection: close\r\n'));
  assert.match(await readUntil(socket, 'hello'), /hello$/);
});

test('early hints and trailers are relayed to HTTP/1.1, and neither to HTTP/1.0', async () => {
  await edge.upstream((_req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' });
    res.writeHead(200, { Trailer: 'X-Sum' });
    res.write('body');
    res.addTrailers({ 'X-Sum': '1', 'Set-Cookie': 'a=1', 'X-Unannounced': '2' });
    res.end();
  });
  const answer = await edge.get('/fn');
  assert.deepEqual(answer.informed, [{ status: 103, link: '</a.css>; rel=preload' }]);
  assert.deepEqual({ ...answer.trailers }, { 'x-sum': '1', 'x-unannounced': '2' });
  assert.equal(answer.headers.link, undefined);
  const old = await edge.raw('GET /fn HTTP/1.0\r\nHost: alice.localhost\r\n\r\n');
  assert.match(old, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nbody$/);
  assert.doesNotMatch(old, /103|X-Sum|chunked/i);
});

test('a connection that the function closed while idle costs a GET nothing, and a POST is not sent twice', async () => {
  const before = edge.router.metrics.staleRetries;
  const hits: string[] = [];
  let connections = 0;
  const givesUp = (socket: net.Socket) => {
    connections += 1;
    let answered = 0;
    socket.on('data', (chunk) => {
      hits.push(chunk.toString().split(' ', 1)[0]!);
      answered += 1;
      // The second request on one connection meets a server that has just given it up.
      if (answered > 1) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  };
  await edge.rawUpstream(givesUp);
  assert.equal((await edge.get('/raw')).status, 200);
  assert.equal((await edge.get('/raw')).status, 200);
  assert.deepEqual(hits, ['GET', 'GET', 'GET']);
  assert.equal(connections, 2);
  assert.equal(edge.router.metrics.staleRetries - before, 1);
  hits.length = 0;
  await edge.rawUpstream(givesUp);
  await edge.get('/raw');
  assert.equal((await edge.get('/raw', { method: 'POST', body: 'x' })).status, 502);
  assert.deepEqual(hits, ['GET', 'POST']);
});

test('a GET that kills a fresh connection is not sent again', async () => {
  let hits = 0;
  await edge.rawUpstream((socket) =>
    socket.on('data', () => {
      hits += 1;
      socket.resetAndDestroy();
    }),
  );
  assert.equal((await edge.get('/raw')).status, 502);
  assert.equal(hits, 1);
});

/** A port that nothing listens on, nor is given to anybody who asks for a free one. */
const deadPort = 1;

test('a refused dial goes to the target that the catalog has by then, with its body whole, whatever the method', async () => {
  const live = await edge.upstream(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    res.end(`${req.method} ${body}`);
  });
  edge.catalog.serve('alice', 'fn', deadPort);
  const asked = edge.get('/fn', { method: 'POST', body: 'whole' });
  const before = edge.router.metrics.dialRetries;
  await until(() => edge.router.metrics.dialRetries > before);
  edge.catalog.serve('alice', 'fn', live.port);
  assert.equal((await asked).body, 'POST whole');
  edge.catalog.serve('alice', 'fn', deadPort, live.port);
  const all = await Promise.all(
    Array.from({ length: 6 }, () => edge.get('/fn', { method: 'POST', body: 'x' })),
  );
  assert.deepEqual(new Set(all.map((answer) => answer.body)), new Set(['POST x']));
});

test('a function that never accepts connections is a 502 after a while', async () => {
  await using hasty = await startEdge({ connectTimeoutMs: 100 });
  hasty.catalog.serve('alice', 'dead', deadPort);
  const answer = await hasty.get('/dead');
  assert.equal(answer.status, 502);
  assert.equal(answer.headers['retry-after'], '1');
});

test('a deploy under load fails no request, and the old target finishes what it has', async () => {
  const versions = [1, 2, 3, 4];
  const held: http.ServerResponse[] = [];
  let stop = false;
  const counts = new Map<string, number>();
  const serve = async (version: number) => {
    const server = await edge.upstream((req, res) => {
      if (req.url === '/hold') held.push(res);
      else res.end(`v${version}`);
    });
    return server;
  };
  let current = await serve(0);
  const slow = edge.get('/fn/hold', { agent: false });
  await until(() => held.length === 1);
  const worker = async () => {
    while (!stop) {
      const answer = await edge.get('/fn');
      assert.equal(answer.status, 200, answer.body);
      counts.set(answer.body, (counts.get(answer.body) ?? 0) + 1);
    }
  };
  const workers = Promise.all(Array.from({ length: 8 }, worker));
  workers.catch(() => {
    stop = true;
  });
  const drained: Promise<unknown>[] = [];
  for (const version of versions) {
    const old = current;
    current = await serve(version);
    drained.push(new Promise((resolve) => old.close(resolve)));
    old.closeIdleConnections();
    await until(() => stop || counts.has(`v${version}`));
  }
  stop = true;
  await workers;
  held[0]!.end('held');
  assert.equal((await slow).body, 'held');
  await Promise.all(drained);
});

test('targets take turns', async () => {
  const one = await edge.upstream((_req, res) => void res.end('one'));
  const two = await edge.upstream((_req, res) => void res.end('two'));
  edge.catalog.serve('alice', 'fn', one.port, two.port);
  const bodies = [await edge.get('/fn'), await edge.get('/fn')].map((answer) => answer.body);
  assert.deepEqual(bodies.sort(), ['one', 'two']);
});
