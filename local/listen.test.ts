import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { createFront, type Rooms } from './front.ts';
import { listen } from './listen.ts';

const answering = (text: string) => (_request: unknown, response: import('node:http').ServerResponse) =>
  void response.end(text);
const rooms: Rooms = {
  router: {
    matches: (request) => request.headers.host === 'fn.localhost',
    handle: answering('router'),
    upgrade: (_request, socket) => socket.destroy(),
  },
  gitHost: { handle: answering('git') },
  builder: { webhook: answering('webhook') },
  auth: { handle: answering('auth') },
  api: { handle: answering('api') },
};

async function ask(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return response.text();
}

describe('the one port', () => {
  it('says that it is starting until it serves, then answers by path', async () => {
    await using listening = await listen(0, false);
    const early = await fetch(`http://127.0.0.1:${listening.port}/`);
    listening.serve(createFront(rooms));

    assert.equal(early.status, 503);
    for (const [path, room] of [
      ['/git/a/b.git', 'git'],
      ['/webhooks/git', 'webhook'],
      ['/login?x', 'auth'],
      ['/logintoo', 'api'],
      ['/', 'api'],
    ] as const) {
      assert.equal(await ask(listening.port, path), room);
    }
  });

  it('lives on when a client asks for an upgrade and resets', async () => {
    await using listening = await listen(0, false);
    listening.serve(createFront(rooms));
    for (let round = 0; round < 50; round += 1) {
      const socket = connect(listening.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(
        'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      if (round % 2) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
    }

    assert.equal(await ask(listening.port, '/'), 'api');
  });

  it('lets an answer finish when it stops, and cuts event streams', async () => {
    const listening = await listen(0, false);
    let finish = () => {};
    let streaming = () => {};
    const started = new Promise<void>((resolve) => {
      streaming = resolve;
    });
    listening.serve({
      request(request, response) {
        if (request.url === '/events')
          response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
        else {
          response.write('first ');
          finish = () => void response.end('second');
          streaming();
        }
      },
      upgrade: (_request, socket) => void socket.destroy(),
    });
    const events = get(`http://127.0.0.1:${listening.port}/events`, {
      headers: { accept: 'text/event-stream' },
    });
    events.on('error', () => {});
    const [stream] = await once(events, 'response');
    stream.resume().on('error', () => {});
    const cut = new Promise((resolve) => stream.once('close', resolve));
    const slow = fetch(`http://127.0.0.1:${listening.port}/slow`).then((response) => response.text());
    await started;
    const closing = listening[Symbol.asyncDispose]();
    await cut;
    finish();

    assert.equal(await slow, 'first second');
    await closing;
    await assert.rejects(fetch(`http://127.0.0.1:${listening.port}/`));
  });

  it('moves to the next port only if it may', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = (other.address() as { port: number }).port;
    await assert.rejects(
      listen(taken, false),
      (error) => error instanceof TowlineError && error.code === 'port_taken',
    );
    await using moved = await listen(taken, true);

    assert.equal(moved.insteadOf, taken);
    assert.notEqual(moved.port, taken);
    other.close();
  });
});
