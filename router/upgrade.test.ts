import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type net from 'node:net';
import { after, before, test } from 'node:test';
import { type Edge, readUntil, startEdge, until } from './edge.fixture.test.ts';

let edge: Edge;
before(async () => {
  edge = await startEdge({ connectTimeoutMs: 60_000, platformCookies: ['towline_session'] });
});
after(() => edge[Symbol.asyncDispose]());

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const ws = `Host: alice.localhost\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
const handshake = `GET /raw/chat//x?y HTTP/1.1\r\n${ws}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n`;
const switching = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n`;

/** A function that answers the handshake with these bytes; gives its side of the connection. */
async function speaking(bytes: string): Promise<{ socket: Promise<net.Socket>; head: Promise<string> }> {
  const { promise: socket, resolve: gotSocket } = Promise.withResolvers<net.Socket>();
  const { promise: head, resolve: gotHead } = Promise.withResolvers<string>();
  await edge.rawUpstream((one) => {
    one.once('data', (chunk) => {
      gotHead(chunk.toString('latin1'));
      // Kept until the test reads it.
      one.pause();
      one.write(bytes);
      gotSocket(one);
    });
  });
  return { socket, head };
}

test('a handshake reaches the function clean, and its answer the client', async () => {
  const { head, socket: upstream } = await speaking(
    `${switching}Sec-WebSocket-Protocol: chat\r\nSet-Cookie: towline_session=x\r\nSet-Cookie: a=1\r\nX-Towline-A: 1\r\n\r\n`,
  );
  const socket = await edge.connect();
  const forged =
    'X-Forwarded-For: 9.9.9.9\r\nCookie: a=1; towline_session=s\r\nSec-WebSocket-Protocol: chat, b\r\n';
  socket.write(handshake.replace('\r\n\r\n', `\r\n${forged}\r\n`));
  const answer = await readUntil(socket, '\r\n\r\n');
  assert.match(
    answer,
    /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/,
  );
  assert.ok(answer.includes(`Sec-WebSocket-Accept: ${accept}\r\n`));
  assert.match(answer, /Sec-WebSocket-Protocol: chat\r\n/);
  assert.match(answer, /Set-Cookie: a=1\r\n/);
  assert.doesNotMatch(answer, /towline_session|X-Towline-A/);
  const sent = await head;
  assert.match(sent, /^GET \/chat\/\/x\?y HTTP\/1\.1\r\n/);
  assert.match(sent, /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/i);
  assert.match(sent, /\r\nSec-WebSocket-Protocol: chat, b\r\n/);
  assert.match(sent, /\r\nCookie: a=1\r\n/);
  assert.match(sent, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  assert.doesNotMatch(sent, /towline_session|9\.9\.9\.9|keep-alive/);
  socket.destroy();
  (await upstream).destroy();
  await until(() => edge.router.metrics.tunnelsOpen === 0);
});

test('bytes glued to either side of the handshake arrive in order', async () => {
  const { socket: upstream } = await speaking(`${switching}\r\nhello`);
  const socket = await edge.connect();
  socket.write(`${handshake}early`);
  assert.match(await readUntil(socket, 'hello'), /\r\n\r\nhello$/);
  const other = await upstream;
  assert.equal(await readUntil(other, 'early'), 'early');
  socket.write('more');
  assert.equal(await readUntil(other, 'more'), 'more');
  socket.destroy();
  other.destroy();
  await until(() => edge.router.metrics.tunnelsOpen === 0);
});

test('an end of one side is an end of the other, while the other direction goes on', async () => {
  for (const first of ['client', 'function'] as const) {
    const { socket: upstream } = await speaking(`${switching}\r\n`);
    const socket = await edge.connect();
    socket.write(handshake);
    await readUntil(socket, '\r\n\r\n');
    const other = await upstream;
    const [one, two] = first === 'client' ? [socket, other] : [other, socket];
    one.end('last');
    let got = '';
    two.on('data', (chunk: Buffer) => {
      got += chunk;
    });
    two.resume();
    await once(two, 'end');
    assert.equal(got, 'last', first);
    two.end('answer');
    assert.equal(await readUntil(one, 'answer'), 'answer', first);
    await until(() => edge.router.metrics.tunnelsOpen === 0);
  }
});

test('a reset of one side closes the other', async () => {
  for (const first of ['client', 'function'] as const) {
    const { socket: upstream } = await speaking(`${switching}\r\n`);
    const socket = await edge.connect();
    socket.write(handshake);
    await readUntil(socket, '\r\n\r\n');
    const other = await upstream;
    const [one, two] = first === 'client' ? [socket, other] : [other, socket];
    two.removeAllListeners('error').on('error', () => {});
    two.on('end', () => two.end()).resume();
    const closed = once(two, 'close');
    one.resetAndDestroy();
    await closed;
    await until(() => edge.router.metrics.tunnelsOpen === 0);
  }
});

test('a client that is gone before the answer takes its connection to the function along', async () => {
  for (const leave of ['end', 'destroy'] as const) {
    const closed = Promise.withResolvers<void>();
    let reached = false;
    await edge.rawUpstream((socket) => {
      socket.on('data', () => {
        reached = true;
      });
      socket.on('end', () => socket.end());
      socket.on('close', () => closed.resolve());
    });
    const socket = await edge.connect();
    socket.write(handshake);
    await until(() => reached);
    socket[leave]();
    await closed.promise;
    await until(() => edge.router.metrics.inFlight === 0);
  }
});

test('a function that answers in plain HTTP is relayed, then the connection is closed', async () => {
  const rows: [answer: string, expected: RegExp][] = [
    [
      'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nX-Why: no\r\n\r\nno',
      /^HTTP\/1\.1 401 [\s\S]*X-Why: no[\s\S]*\r\n\r\nno$/,
    ],
    [
      'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
      /^HTTP\/1\.1 404 [\s\S]*2\r\nno\r\n0\r\n\r\n$/,
    ],
  ];
  for (const [answer, expected] of rows) {
    await speaking(answer);
    const got = await edge.raw(handshake);
    assert.match(got, expected);
    assert.match(got, /connection: close/i);
  }
});

test('a tunnel is opened for the right answer only', async () => {
  for (const answer of [
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n`,
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  ]) {
    await speaking(answer);
    assert.match(await edge.raw(handshake), /^HTTP\/1\.1 502 /);
  }
});

test('bad handshakes are refused before anything is dialled', async () => {
  let dialled = 0;
  await edge.rawUpstream(() => {
    dialled += 1;
  });
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const rows: [request: string, status: RegExp][] = [
    [
      `GET /raw HTTP/1.1\r\nHost: alice.localhost\r\nSec-WebSocket-Version: 13\r\n${upgrade}\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      `GET /raw HTTP/1.1\r\n${ws.replace('13', '8')}${upgrade}\r\n`,
      /^HTTP\/1\.1 426 [\s\S]*Sec-WebSocket-Version: 13/,
    ],
    [`POST /raw HTTP/1.1\r\n${ws}${upgrade}Content-Length: 4\r\n\r\nbody`, /^HTTP\/1\.1 400 /],
    [`GET /raw HTTP/1.1\r\n${ws}${upgrade}Content-Length: 4\r\n\r\nbody`, /^HTTP\/1\.1 400 /],
    [`GET /raw/../x HTTP/1.1\r\n${ws}${upgrade}\r\n`, /^HTTP\/1\.1 400 /],
    [`GET /none HTTP/1.1\r\n${ws}${upgrade}\r\n`, /^HTTP\/1\.1 404 [\s\S]*alice has no function none/],
  ];
  for (const [request, status] of rows) assert.match(await edge.raw(request), status);
  assert.equal(dialled, 0);
});

test('any other Upgrade is a plain request without it', async () => {
  let upgrade: string | undefined = 'none yet';
  await edge.upstream((req, res) => {
    upgrade = req.headers.upgrade;
    res.end('plain');
  });
  const request =
    'GET /fn HTTP/1.1\r\nHost: alice.localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n';
  assert.match(await edge.raw(request), /^HTTP\/1\.1 200 [\s\S]*plain/);
  assert.equal(upgrade, undefined);
});

test('an unreachable or silent function is a proper answer to the handshake', async () => {
  await using unreachable = await startEdge({ connectTimeoutMs: 100 });
  unreachable.catalog.serve('alice', 'raw', 1);
  const refused = await unreachable.raw(handshake);
  assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*alice\/raw does not accept connections/);
  await using silent = await startEdge({ headersTimeoutMs: 100 });
  await silent.rawUpstream(() => {});
  assert.match(await silent.raw(handshake), /^HTTP\/1\.1 504 /);
});

test('a silent tunnel is closed after its limit', async () => {
  await using other = await startEdge({ tunnelIdleTimeoutMs: 100 });
  await other.rawUpstream((socket) => socket.once('data', () => socket.write(`${switching}\r\n`)));
  const socket = await other.connect();
  socket.write(handshake);
  socket.on('end', () => socket.end()).resume();
  await once(socket, 'close');
  await until(() => other.router.metrics.tunnelsOpen === 0);
  assert.equal(other.router.metrics.tunnelsOpened, 1);
});
