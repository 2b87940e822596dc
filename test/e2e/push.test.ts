import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { load } from './load.ts';
import { eventually, Product } from './product.ts';

describe('use 1: push source, get a URL', () => {
  let product: Product;
  let clone: Clone;
  before(async () => {
    product = await Product.start();
    clone = await sourceRepository(product, 'demo', 'app');
  });
  after(async () => {
    clone?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('answers at its URL when the push returns, and says so in the terminal', async () => {
    const { terminal } = await push(clone, 'Say hello', {
      'stack.yml': nodeStack('hello'),
      'hello/handler.js': nodeHandler('one'),
    });

    assert.match(
      terminal,
      new RegExp(
        `remote: ==> hello is live: http://demo\\.localhost:${product.port}/hello \\(\\d+(\\.\\d)? s\\)`,
      ),
    );
    const answer = await product.call('demo', '/hello');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'one');
  });

  it('answers the same at the path form, for browsers that cannot look up *.localhost', async () => {
    const answer = await product.request('/~demo/hello?x=1');

    assert.equal(answer.body, 'one');
    assert.match(String(answer.headers['content-security-policy']), /sandbox/);
  });

  it('answers anew after a change, and keeps the old version in the history', async () => {
    await push(clone, 'Say two', { 'hello/handler.js': nodeHandler('two') });

    assert.equal((await product.call('demo', '/hello')).body, 'two');
    const history = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
    assert.deepEqual(
      history.map((entry) => [entry.number, entry.kind, entry.current]),
      [
        [2, 'deploy', true],
        [1, 'deploy', false],
      ],
    );
  });

  it('fails no request of 50 a second while it is redeployed ten times', async () => {
    const redeploys = (async () => {
      for (let version = 3; version <= 12; version += 1) {
        await push(clone, `Say ${version}`, { 'hello/handler.js': nodeHandler(`v${version}`) });
      }
    })();
    const result = await load(product, 'demo', '/hello', 50, redeploys);
    await redeploys;

    assert.deepEqual(result.failures, []);
    assert.equal((await product.call('demo', '/hello')).body, 'v12');
    assert.ok(result.answers.size >= 10, `saw only ${[...result.answers.keys()]}`);
  });

  it('streams an answer as the function writes it', async () => {
    const handler = `const { Readable } = require('node:stream');
let goOn;
const asked = new Promise((resolve) => { goOn = resolve; });
module.exports = async (event, context) => {
  if (event.path === '/go-on') { goOn(); return context.succeed('went on'); }
  if (event.path !== '/stream') return context.succeed('here');
  async function* chunks() { yield 'first\\n'; await asked; yield 'second\\n'; }
  return context.status(200).succeed(Readable.from(chunks()));
};\n`;
    await push(clone, 'Stream', { 'hello/handler.js': handler });

    const { promise: firstChunk, resolve } = Promise.withResolvers<string>();
    const host = `demo.localhost:${product.port}`;
    const streamed = new Promise<string>((done, fail) => {
      const options = { host: '127.0.0.1', port: product.port, path: '/hello/stream', headers: { host } };
      get(options, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
          resolve(body);
        });
        response.on('end', () => done(body));
        response.on('error', fail);
      }).on('error', fail);
    });
    // The function writes the second chunk only after this request: it comes after the first was seen here.
    assert.equal(await Promise.race([firstChunk, streamed]), 'first\n');
    assert.equal((await product.call('demo', '/hello/go-on')).body, 'went on');
    assert.equal(await streamed, 'first\nsecond\n');
  });

  it('goes on with the deploy when the push is interrupted, and has said so', async () => {
    const commit = await clone.commit('Interrupted', {
      'hello/handler.js': nodeHandler('after the interruption'),
    });
    const interrupt = new AbortController();
    const result = await clone.try(['push', 'origin', 'HEAD:main'], {
      signal: interrupt.signal,
      onStderr: (text) => {
        if (/remote: .*does(n't| not) cancel/i.test(text)) interrupt.abort();
      },
    });

    assert.match(result.stderr, /remote: /);
    await eventually(
      'the interrupted deploy',
      async () => (await product.call('demo', '/hello')).body === 'after the interruption',
    );
    const history = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
    assert.equal(history[0]?.sourceCommit, commit);
  });

  it('says 404 for an owner and for a function that are not there', async () => {
    const noOwner = await product.call('nobody', '/hello');
    const noFunction = await product.call('demo', '/nothing');

    assert.equal(noOwner.status, 404);
    assert.match(noOwner.body, /nobody/);
    assert.equal(noFunction.status, 404);
    assert.match(noFunction.body, /nothing/);
  });
});
