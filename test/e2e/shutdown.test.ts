import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

describe('Ctrl+C', () => {
  it('lets an answer that is being streamed come to its end', async () => {
    await using product = await Product.start();
    using source = await sourceRepository(product, 'demo', 'app');
    const goOn = join(source.dir, 'go-on');
    const handler = `const { Readable } = require('node:stream');
const { existsSync } = require('node:fs');
const { setTimeout } = require('node:timers/promises');
module.exports = async (event, context) => {
  async function* chunks() {
    yield 'first\\n';
    while (!existsSync(${JSON.stringify(goOn)})) await setTimeout(20);
    yield 'second\\n';
  }
  return context.status(200).succeed(event.path === '/stream' ? Readable.from(chunks()) : 'here');
};\n`;
    await push(source, 'Stream', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': handler });
    const outgoing = get({
      host: '127.0.0.1',
      port: product.port,
      path: '/hello/stream',
      headers: { host: `demo.localhost:${product.port}` },
    });
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let body = '';
    response.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    await eventually('the first part', async () => body === 'first\n');

    const ended = once(response, 'end');
    const stopped = product.stop();
    // It takes no new request any more: the stop has begun.
    await eventually('the stop to begin', async () =>
      product.request('/').then(
        (answer) => answer.status === 503,
        () => true,
      ),
    );
    writeFileSync(goOn, '');

    await ended;
    assert.equal(body, 'first\nsecond\n');
    assert.equal(await stopped, 0);
  });
});
