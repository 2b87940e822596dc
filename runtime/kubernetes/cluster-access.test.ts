import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createSecureServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { startCutOff } from '../../test/cluster/kubernetes/cut-off.ts';
import { selfSigned } from './certificate-fixture.ts';
import { serviceAccountAccess } from './cluster-access.ts';
import { createClusterApi } from './cluster-api.ts';
import { createReflector, type ReflectorState } from './reflector.ts';

/** Lists nothing, and sends a watch a bookmark now and then. */
function answerAll(server: Http2Server, onSession: () => void): void {
  const bookmark = { type: 'BOOKMARK', object: { metadata: { name: '', resourceVersion: '2' } } };
  server.on('session', onSession);
  server.on('request', (request, response) => {
    if (!request.url.includes('watch=true')) {
      response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
      return;
    }
    response.writeHead(200);
    const tell = () => response.write(`${JSON.stringify(bookmark)}\n`);
    const timer = setInterval(tell, 50);
    response.on('close', () => clearInterval(timer));
  });
}

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of stack.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** An API server that speaks HTTP/2, behind a way that can fall silent, and a pod's account for it. */
async function serve() {
  const { key, cert } = selfSigned();
  const server = createSecureServer({ key, cert });
  let sessions = 0;
  answerAll(server, () => {
    sessions += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.push({ [Symbol.asyncDispose]: async () => void server.close() });
  const way = await startCutOff(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  stack.push(way);
  const dir = await mkdtemp(join(tmpdir(), 'towline-account-'));
  stack.push({ [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) });
  await writeFile(join(dir, 'ca.crt'), cert);
  await writeFile(join(dir, 'token'), 'secret');
  return { way, dir, sessions: () => sessions };
}

describe('a pod’s way to the API server', () => {
  it('shares one HTTP/2 connection, and leaves it when it has died without a word', async () => {
    const { way, dir, sessions } = await serve();
    const api = createClusterApi(serviceAccountAccess({ dir, server: way.url, headersTimeout: 1_000 }));
    const states: ReflectorState['type'][] = [];
    let onState = () => {};
    const followed = createReflector({
      ...{ api, path: '/api/v1/pods', idleMs: 1_500, retry: { firstMs: 50, maxMs: 200 } },
      project: () => true,
      onState({ type }) {
        states.push(type);
        onState();
      },
    });
    stack.push(followed);
    const until = (type: ReflectorState['type']) =>
      new Promise<void>((resolve) => {
        onState = () => states.at(-1) === type && resolve();
        onState();
      });
    await until('following');
    await api.request('/api/v1/pods');
    assert.equal(sessions(), 1);

    way.silence();
    await until('stale');
    await until('following');
    assert.equal(sessions(), 2);
    assert.deepEqual(await api.request('/api/v1/pods'), { metadata: { resourceVersion: '1' }, items: [] });
  });
});
