import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { type BodyReaderOptions, createBodyReader } from './body-reader.ts';

/** Answers with the length of each body, or with the code of the error. */
async function reading(options: BodyReaderOptions) {
  const bodies = createBodyReader(options);
  const server = createServer(async (req, res) => {
    try {
      using read = await bodies.read(req, 1_000_000);
      res.end(String(read.body.length));
    } catch (error) {
      res.setHeader('connection', 'close').end(error instanceof TowlineError ? error.code : 'a defect');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    /** Begins a body, and leaves it open; resolves when the server has seen it. */
    async begin(): Promise<{ sending: ClientRequest; answer: Promise<string> }> {
      const sending = request({ port, host: '127.0.0.1', method: 'POST' });
      const answer = (async () => {
        const [response] = (await once(sending, 'response')) as [IncomingMessage];
        return (await response.setEncoding('utf8').toArray()).join('');
      })().catch(() => 'cut off');
      const seen = once(server, 'request');
      sending.write('x');
      await seen;
      return { sending, answer };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function post(url: string, body: string | ReadableStream): Promise<string> {
  const stream = typeof body === 'string' ? {} : { duplex: 'half' };
  return await (await fetch(url, { method: 'POST', body, ...stream })).text();
}

function inParts(part: string, count: number): ReadableStream {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      sent += 1;
      if (sent > count) controller.close();
      else controller.enqueue(Buffer.from(part));
    },
  });
}

describe('bodies that are being read', () => {
  it('are so many at most: one more, and the one that has been coming longest is cut off', async () => {
    await using bed = await reading({ maxBodiesAtOnce: 2 });
    const first = await bed.begin();
    const second = await bed.begin();
    assert.equal(await post(bed.url, 'shop'), '4');
    assert.equal(await first.answer, 'cut off');
    second.sending.end();
    assert.equal(await second.answer, '1');
  });

  it('have so many bytes together at most, of which each but its first few count', async () => {
    await using bed = await reading({ maxBytesAtOnce: 100_000 });
    const slow = await bed.begin();
    slow.sending.write('x'.repeat(100_000));
    assert.equal(await post(bed.url, 'x'.repeat(150_000)), 'unavailable');
    assert.equal(await post(bed.url, 'x'.repeat(15_000)), '15000');
    slow.sending.end();
    assert.equal(await slow.answer, '100001');
    assert.equal(await post(bed.url, 'x'.repeat(100_000)), '100000');
  });

  it('count for more than their bytes when they come in small parts', async () => {
    await using bed = await reading({ maxBytesAtOnce: 100_000 });
    assert.equal(await post(bed.url, inParts('x', 1000)), 'unavailable');
    assert.equal(await post(bed.url, inParts('x'.repeat(1000), 60)), '60000');
  });

  it('have so much time', async () => {
    await using bed = await reading({ timeoutMs: 50 });
    const { answer } = await bed.begin();
    assert.equal(await answer, 'cut off');
  });
});
