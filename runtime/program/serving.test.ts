import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { internalFront, readyOnce } from './health.ts';
import { serve } from './serving.ts';

const here = { host: '127.0.0.1', port: 0 };

describe('a port that is served', () => {
  it('lets the request in flight finish when it ends, and takes no other', async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const serving = await serve(
      { request: (_, response) => arrived.resolve(response) },
      { ...here, finishMs: 60_000 },
    );
    const url = `http://127.0.0.1:${serving.port}/`;
    const answer = fetch(url);
    const response = await arrived.promise;
    const ended = serving.end();
    await assert.rejects(fetch(url));
    response.end('done');

    assert.equal(await (await answer).text(), 'done');
    await ended;
  });

  it('cuts event streams at once, and what takes too long', async () => {
    const serving = await serve(
      { request: (_, response) => void response.writeHead(200).flushHeaders() },
      { ...here, finishMs: 50 },
    );
    const open = async (accept: string): Promise<{ closed: Promise<unknown> }> => {
      const call = request({ port: serving.port, host: here.host, headers: { accept } }).end();
      const [response] = await once(call, 'response');
      response.on('error', () => undefined).resume();
      return { closed: new Promise((resolve) => response.once('close', resolve)) };
    };
    const streams = [await open('text/event-stream'), await open('*/*')];
    await serving.end();
    await Promise.all(streams.map(({ closed }) => closed));
  });

  it('is refused by name if another has it', async () => {
    await using first = await serve({ request: () => {} }, { ...here, finishMs: 0 });

    await assert.rejects(serve({ request: () => {} }, { ...here, port: first.port, finishMs: 0 }), {
      code: 'port_taken',
    });
  });
});

describe('the probes', () => {
  async function probe(whyNotReady: () => string | undefined | Promise<string | undefined>) {
    const front = internalFront({ whyNotReady }, () => undefined);
    await using serving = await serve({ request: front }, { ...here, finishMs: 0 });
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${serving.port}${path}`)).status;
    return [await ask('/healthz'), await ask('/readyz'), await ask('/other')];
  }

  it('tell life from readiness, and take a failure to know for "not ready"', async () => {
    assert.deepEqual(await probe(() => undefined), [200, 200, 404]);
    assert.deepEqual(await probe(() => 'it is starting'), [200, 503, 404]);
    assert.deepEqual(await probe(() => Promise.reject(new Error('no'))), [200, 503, 404]);
  });

  it('stay ready once something has answered, ask one at a time, and tell why it did not', async () => {
    let asked = 0;
    let answer = Promise.reject<void>(new Error('away'));
    answer.catch(() => undefined);
    const why = readyOnce(() => {
      asked += 1;
      return answer;
    }, 'auth');
    assert.match(why() ?? '', /^auth/);
    assert.match(why() ?? '', /^auth/);
    assert.equal(asked, 1);
    await new Promise((wake) => setImmediate(wake));
    answer = Promise.resolve();
    assert.equal(why(), 'auth: away');
    await new Promise((wake) => setImmediate(wake));

    assert.equal(why(), undefined);
    assert.equal(why(), undefined);
    assert.equal(asked, 2);
  });
});
