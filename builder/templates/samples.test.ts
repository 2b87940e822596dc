import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createBench } from './built-function.contract.ts';

const samples = join(import.meta.dirname, '../../local/samples');

describe('the samples', () => {
  let bench: Awaited<ReturnType<typeof createBench>>;
  before(async () => {
    bench = await createBench(process.env['PATH']!);
  });
  after(() => bench[Symbol.asyncDispose]());

  async function serve(name: string) {
    const built = await bench.build(join(samples, name));
    const started = await bench.start(built.artifactDir, built.fn.environment);
    const ask = async (path: string, init?: RequestInit) => (await fetch(started.origin + path, init)).text();
    return { ...started, built, ask };
  }

  it('hello greets by name', async () => {
    const hello = await serve('hello');
    assert.equal(await hello.ask('/'), 'Hello, world!\n');
    assert.equal(await hello.ask('/?name=you'), 'Hello, you!\n');
  });

  it('hello-py greets by name', async () => {
    const hello = await serve('hello-py');
    assert.equal(await hello.ask('/'), 'Hello, world, from Python!\n');
    assert.equal(await hello.ask('/?name=you'), 'Hello, you, from Python!\n');
  });

  it('broken fails in its test, with the assertion as the cause', async () => {
    await assert.rejects(bench.build(join(samples, 'broken')), (error: Error & { lines: string[] }) => {
      assert.match(
        error.message,
        /^step test failed with exit code 1: AssertionError.*three items at 5 must cost 15/,
      );
      assert.ok(error.lines.includes('a single item costs its price'), error.lines.join('\n'));
      return true;
    });
  });

  it('counter differs from version to version, in code and in configuration', async () => {
    const [first, second, third] = [
      await serve('counter/v1'),
      await serve('counter/v2'),
      await serve('counter/v3'),
    ];
    assert.equal(new Set([first, second, third].map(({ built }) => built.digest)).size, 3);
    assert.equal((await first.ask('/')) + (await first.ask('/')), 'Request number 1\nRequest number 2\n');
    assert.equal(await second.ask('/'), 'Visit 10\n');
    const answer = JSON.parse(await third.ask('/'));
    assert.deepEqual([answer.greeting, answer.count], ['Visits', 1]);
    assert.equal(JSON.parse(await third.ask('/', { method: 'DELETE' })).count, 0);
  });

  it('chatty prints thousands of coloured lines, and only the end of its progress bar', async () => {
    const chatty = await serve('chatty');
    assert.ok(chatty.built.lines.length > 5000);
    const bar = chatty.built.lines.filter((line) => line.startsWith('fetching'));
    assert.deepEqual(bar, [`fetching ${'#'.repeat(20)} 100 %`]);
    assert.ok(chatty.built.lines.some((line) => line.includes('\u001b[32m')));
    assert.equal(await chatty.ask('/'), 'See the build log.\n');
  });

  it('slow streams each step before the next one is done', async () => {
    const slow = await serve('slow');
    const response = await fetch(`${slow.origin}/?steps=2&ms=100`);
    const pieces: string[] = [];
    for await (const piece of response.body!) pieces.push(Buffer.from(piece).toString());
    assert.ok(pieces.length > 1, 'it came in one piece');
    assert.equal(pieces.join(''), 'step 1 of 2\nstep 2 of 2\ndone\n');
  });
});
