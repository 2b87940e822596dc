import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type Clone, nodeStack, push, sourceRepository } from './git-client.ts';
import { Product, packageDir } from './product.ts';

/** Prints its path with each request. */
const printing = `module.exports = async (event, context) => {
  console.log('asked for ' + event.path);
  return context.status(200).succeed('ok');
};
`;

describe('towline logs', () => {
  let product: Product;
  let source: Clone;
  const start = (...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_DATA: product.dataDir, TOWLINE_OWNER: 'demo' };
    return spawn(process.execPath, [join(packageDir, 'ui/cli/towline.js'), ...args], { env });
  };
  const towline = async (...args: string[]) => {
    const child = start(...args);
    const exited = once(child, 'exit') as Promise<[number]>;
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { stdout, stderr, code };
  };
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': printing });
  });
  after(async () => {
    source?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('follows what a function prints, each line with its time', async () => {
    const following = start('logs', 'hello', '--follow');
    const lines = createInterface({ input: following.stdout })[Symbol.asyncIterator]();
    await product.call('demo', '/hello/first');
    assert.match((await lines.next()).value ?? '', /^\d{4}-\d\d-\d\dT[\d:.]{12}Z asked for \/first$/);
    await product.call('demo', '/hello/second');
    assert.match((await lines.next()).value ?? '', / asked for \/second$/);
    const ended = once(following, 'exit');
    following.kill();
    await ended;
  });

  it('prints the newest lines, as JSON for programs', async () => {
    const { stdout, code } = await towline('--json', 'logs', 'hello', '--lines', '1');
    assert.equal(code, 0);
    const lines = JSON.parse(stdout) as { text: string }[];
    assert.deepEqual(
      lines.map((line) => line.text),
      ['asked for /second'],
    );
  });

  it('prints the log of the last build where that is asked for', async () => {
    const { stdout } = await towline('logs', 'hello', '--build');
    assert.match(stdout, /^==> clone [0-9a-f]{7} One\n/);
  });

  it('ends with what is wrong with the question', async () => {
    assert.equal((await towline('logs', 'nobody')).code, 5);
    const { stderr, code } = await towline('logs', 'hello', '--lines', 'many');
    assert.equal(code, 2);
    assert.match(stderr, /a whole number from 1 to 10000/);
    const asked = await towline('--json', 'log', 'hello');
    assert.equal(asked.code, 2);
    assert.deepEqual(JSON.parse(asked.stdout), {
      ok: false,
      error: { code: 'usage', message: "unknown command 'log'\n(Did you mean logs?)" },
    });
  });

  it('is of the version that it says', async () => {
    assert.match((await towline('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('keeps the lines over a new version', async () => {
    await push(source, 'Two', { 'hello/handler.js': printing.replace('asked for', 'two:') });
    await product.call('demo', '/hello/third');
    const following = start('logs', 'hello', '--follow');
    const seen: string[] = [];
    for await (const line of createInterface({ input: following.stdout })) {
      seen.push(line.slice(line.indexOf(' ') + 1));
      if (line.endsWith('two: /third')) break;
    }
    assert.deepEqual(seen, ['asked for /first', 'asked for /second', 'two: /third']);
    const ended = once(following, 'exit');
    following.kill();
    await ended;
  });
});
