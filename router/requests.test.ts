import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Edge, startEdge } from './edge.fixture.test.ts';

let edge: Edge;
const seen: string[] = [];
before(async () => {
  edge = await startEdge({ maxBodyBytes: 1_000 });
  await edge.upstream(async (req, res) => {
    let body = '';
    try {
      for await (const chunk of req) body += chunk;
    } catch {
      return;
    }
    const framing = req.headers['transfer-encoding'] ?? req.headers['content-length'] ?? 'none';
    seen.push(`${req.method} ${req.url} ${framing} ${body}`);
    res.end(`echo ${body}`);
  });
});
after(() => edge[Symbol.asyncDispose]());

const host = 'Host: alice.localhost\r\n';
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);

test('malformed and ambiguous requests are refused, and no function sees a byte', async () => {
  const rows: [name: string, request: string, status: number][] = [
    ['two lengths', `POST /fn HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    ['equal lengths', `POST /fn HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
    ['length list', `POST /fn HTTP/1.1\r\n${host}Content-Length: 3, 3\r\n\r\nabc`, 400],
    ['signed length', `POST /fn HTTP/1.1\r\n${host}Content-Length: +3\r\n\r\nabc`, 400],
    [
      'TE and CL',
      `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'CL and TE',
      `POST /fn HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['xchunked', `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    [
      'chunked not last',
      `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['TE with space', `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['gzip, chunked', `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
    ['TE in 1.0', `POST /fn HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['HTTP/2.0 in clear', `GET /fn HTTP/2.0\r\n${host}\r\n`, 505],
    ['no Host', 'GET /fn HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', `GET /fn HTTP/1.1\r\n${host}${host}\r\n`, 400],
    ['empty Host', 'GET /fn HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['folded', `GET /fn HTTP/1.1\r\n${host}A: b\r\n c\r\n\r\n`, 400],
    ['bare LF', `GET /fn HTTP/1.1\n${host}\n\n`, 400],
    ['NUL', `GET /fn HTTP/1.1\r\n${host}A: b\0c\r\n\r\n`, 400],
    ['other authority', `GET http://bob.localhost/fn HTTP/1.1\r\n${host}\r\n`, 400],
    ['asterisk', `GET * HTTP/1.1\r\n${host}\r\n`, 400],
    ['no slash', `GET admin HTTP/1.1\r\n${host}\r\n`, 400],
    ['fragment', `GET /fn#x HTTP/1.1\r\n${host}\r\n`, 400],
    ['backslash', `GET /fn\\x HTTP/1.1\r\n${host}\r\n`, 400],
    ['dot segment', `GET /fn/../x HTTP/1.1\r\n${host}\r\n`, 400],
    ['raw byte', `GET /fn/\u00e9 HTTP/1.1\r\n${host}\r\n`, 400],
    ['TRACE', `TRACE /fn HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, 405],
    ['PROPFIND', `PROPFIND /fn HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, 405],
    ['long header', `GET /fn HTTP/1.1\r\n${host}A: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'unknown expectation',
      `POST /fn HTTP/1.1\r\n${host}Expect: foo\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      417,
    ],
    ['too long', `POST /fn HTTP/1.1\r\n${host}Content-Length: 1001\r\n\r\n`, 413],
    [
      'too long, expected',
      `POST /fn HTTP/1.1\r\n${host}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n`,
      413,
    ],
  ];
  seen.length = 0;
  for (const [name, request, status] of rows) {
    const answer = await edge.raw(request);
    assert.equal(statusOf(answer), status, `${name}: ${answer}`);
    assert.match(answer, /\r\nconnection: close\r\n/i, name);
  }
  assert.deepEqual(seen, []);
});

test('OPTIONS * is answered here', async () => {
  const answer = await edge.raw(`OPTIONS * HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
  assert.equal(statusOf(answer), 204);
});

test('an absolute-form target that names the Host is passed on in origin form', async () => {
  seen.length = 0;
  const request = `GET http://alice.localhost/fn/a?b HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;
  assert.equal(statusOf(await edge.raw(request)), 200);
  assert.deepEqual(seen, ['GET /a?b none ']);
});

test('bodies keep their framing with every method, and nothing of them becomes a request', async () => {
  seen.length = 0;
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n';
  const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
  for (const method of ['DELETE', 'OPTIONS', 'GET', 'POST', 'PATCH']) {
    const chunked = `${method} /fn HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${chunk}`;
    const sized = `${method} /fn HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`;
    const last = `GET /fn/last HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;
    const answers = await edge.raw(chunked + sized + last);
    assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, 3, method);
    // Pipelined requests are served side by side.
    assert.deepEqual(
      seen.splice(0).sort(),
      [
        `${method} / chunked ${smuggled}`,
        `${method} / ${smuggled.length} ${smuggled}`,
        'GET /last none ',
      ].sort(),
    );
  }
});

test('an empty POST keeps its length of 0', async () => {
  seen.length = 0;
  await edge.get('/fn', { method: 'POST', headers: { 'Content-Length': 0 } });
  assert.deepEqual(seen, ['POST / 0 ']);
});

test('100 Continue comes once the function is there, and the Expect field goes no further', async () => {
  const socket = await edge.connect();
  socket.write(
    `POST /fn HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n`,
  );
  const [first] = await new Promise<Buffer[]>((resolve) =>
    socket.once('data', (chunk: Buffer) => resolve([chunk])),
  );
  assert.match(first!.toString(), /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  socket.write('abc');
  let rest = '';
  for await (const chunk of socket) rest += chunk;
  assert.match(rest, /^HTTP\/1\.1 200[\s\S]*echo abc/);
});

test('an upload for a function that is not there is refused without inviting it', async () => {
  const request = `POST /none HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
  assert.match(await edge.raw(request), /^HTTP\/1\.1 404 /);
});

test('a chunked body that grows over the limit is cut off with 413', async () => {
  const big = 'a'.repeat(1_500);
  const answer = await edge.raw(
    `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n`,
  );
  assert.equal(statusOf(answer), 413);
});

test('broken chunks after the start abort the upload: the function never sees its end', async () => {
  seen.length = 0;
  const request = `POST /fn HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x3\r\nabc\r\n0\r\n\r\n`;
  assert.equal(statusOf(await edge.raw(request)), 400);
  assert.deepEqual(seen, []);
});

test('requests that are not for functions are left to the platform', async () => {
  for (const [path, host] of [
    ['/', 'localhost:8080'],
    ['/alice/hello', 'localhost'],
    ['/%zz', '127.0.0.1:1'],
  ]) {
    const answer = await edge.get(path!, { headers: { Host: host } });
    assert.equal(answer.headers['x-platform'], 'yes');
  }
});
