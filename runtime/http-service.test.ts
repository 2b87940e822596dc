import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type ErrorCode, errorCodes, TowlineError } from '../core/errors.ts';
import { createHttpApp, httpStatus, readBody } from './http-service.ts';
import { createLogger } from './logger.ts';

describe('the HTTP shell', () => {
  let server: Server;
  let origin: string;
  before(async () => {
    const app = createHttpApp(createLogger({ level: 'silent', name: 'test' }));
    app.use(async (ctx) => {
      if (ctx.path === '/body') ctx.body = { bytes: (await readBody(ctx.req, 10)).length };
      if (ctx.path === '/known')
        throw new TowlineError('conflict', 'somebody was faster', { hint: 'look again' });
      if (ctx.path === '/unknown') throw new Error('password=hunter2');
    });
    server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => void server.close());

  it('answers an error of ours as a problem with its code, hint and request id', async () => {
    const response = await fetch(`${origin}/known`);
    const problem = await response.json();

    assert.equal(response.status, 409);
    assert.match(response.headers.get('content-type') ?? '', /application\/problem\+json/);
    assert.equal(problem.code, 'conflict');
    assert.equal(problem.hint, 'look again');
    assert.equal(problem.requestId, response.headers.get('x-towline-request-id'));
  });

  it('tells nothing of an error that is not ours', async () => {
    const response = await fetch(`${origin}/unknown`);
    const text = await response.text();

    assert.equal(response.status, 500);
    assert.ok(!text.includes('hunter2'), text);
  });

  it('reads bodies up to their limit', async () => {
    const small = await fetch(`${origin}/body`, { method: 'POST', body: 'x'.repeat(10) });
    const large = await fetch(`${origin}/body`, { method: 'POST', body: 'x'.repeat(11) });

    assert.deepEqual(await small.json(), { bytes: 10 });
    assert.equal(large.status, 413);
  });

  it('has a status of the 400s or 500s for every code', () => {
    assert.deepEqual(
      errorCodes.filter((code: ErrorCode) => httpStatus(code) < 400 || httpStatus(code) > 599),
      [],
    );
  });
});
