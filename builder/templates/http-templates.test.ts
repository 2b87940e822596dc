import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createBench, type Files } from './built-function.contract.ts';
import { describeHttpTemplate } from './http-template.contract.ts';
import { nodeSubject, pythonSubject } from './http-template-fixture.ts';

describeHttpTemplate(nodeSubject, process.env['PATH']!);
describeHttpTemplate(pythonSubject, process.env['PATH']!);

describe('the template node, as OpenFaaS has it', () => {
  let bench: Awaited<ReturnType<typeof createBench>>;
  before(async () => {
    bench = await createBench(process.env['PATH']!);
  });
  after(() => bench[Symbol.asyncDispose]());

  async function serve(handler: string, files: Files = {}, environment: Record<string, string> = {}) {
    const built = await bench.buildFiles('node', { 'handler.js': handler, ...files });
    return bench.start(built.artifactDir, environment);
  }

  const typed = `module.exports = async (event) => ({ body: event.body, kind: Buffer.isBuffer(event.body) ? 'buffer' : typeof event.body })`;

  it('parses JSON and forms by content type, and hands on other bodies raw', async () => {
    const { origin } = await serve(typed);
    const post = async (type: string, body: string) =>
      (await fetch(origin, { method: 'POST', headers: { 'Content-Type': type }, body })).json();
    assert.deepEqual(await post('application/json; charset=utf-8', '{"a":[1]}'), {
      body: { a: [1] },
      kind: 'object',
    });
    assert.deepEqual(await post('application/x-www-form-urlencoded', 'a=1'), {
      body: { a: '1' },
      kind: 'object',
    });
    assert.deepEqual(await post('text/csv', 'a,b'), { body: 'a,b', kind: 'string' });
    assert.equal((await post('application/octet-stream', 'x')).kind, 'buffer');
    assert.deepEqual(await (await fetch(origin)).json(), { body: {}, kind: 'object' });
  });

  it('answers 400 to broken JSON before the handler sees it', async () => {
    const { origin } = await serve(typed);
    const response = await fetch(origin, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{',
    });
    assert.equal(response.status, 400);
  });

  it('leaves every body raw with RAW_BODY=true', async () => {
    const { origin } = await serve(typed, {}, { RAW_BODY: 'true' });
    const response = await fetch(origin, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{',
    });
    assert.equal((await response.json()).kind, 'buffer');
  });

  it('answers through the callback, context.fail and a repeated query name', async () => {
    const { origin } = await serve(`module.exports = (event, context, callback) => {
      if (event.path === '/callback') setTimeout(() => callback(undefined, event.query), 1);
      else if (event.path === '/404') context.status(404).fail('no such thing');
      else context.fail('it broke');
    }`);
    const ask = async (path: string) => {
      const response = await fetch(origin + path);
      return [response.status, await response.text()];
    };
    assert.deepEqual(await ask('/callback?a=1&a=2&__proto__=x'), [200, '{"a":["1","2"],"__proto__":"x"}']);
    assert.deepEqual(await ask('/404'), [404, 'no such thing']);
    assert.deepEqual(await ask('/'), [500, 'it broke']);
  });

  it('lets a handler answer by HTML text, JSON, bytes or nothing', async () => {
    const { origin } = await serve(`module.exports = async (event) => ({
      '/text': '<p>', '/json': { a: 1 }, '/bytes': Buffer.from('b') })[event.path]`);
    const ask = async (path: string) => {
      const response = await fetch(origin + path);
      return [response.headers.get('content-type'), await response.text()];
    };
    assert.deepEqual(await ask('/text'), ['text/html; charset=utf-8', '<p>']);
    assert.deepEqual(await ask('/json'), ['application/json; charset=utf-8', '{"a":1}']);
    assert.deepEqual(await ask('/bytes'), ['application/octet-stream', 'b']);
    assert.deepEqual(await ask('/none'), [null, '']);
  });

  it('finds a handler module in a package that says it is one', async () => {
    const { origin } = await serve(`import { word } from './word.js'; export default async () => word;`, {
      'package.json': '{"type":"module"}',
      'word.js': `export const word = 'module';`,
    });
    assert.equal(await (await fetch(origin)).text(), 'module');
  });

  it('fails the build at a syntax error, with the file and the line in the log', async () => {
    await assert.rejects(
      bench.buildFiles('node', { 'handler.js': 'module.exports = async () => {\n  return (;\n};\n' }),
      (error: Error & { lines: string[] }) => {
        assert.match(error.message, /step check failed with exit code 1: SyntaxError/);
        assert.ok(error.lines.some((line) => /handler\.js:2/.test(line)));
        return true;
      },
    );
  });

  it("does not run npm's placeholder of a test", async () => {
    const test = 'echo "Error: no test specified" && exit 1';
    const built = await bench.buildFiles('node', {
      'handler.js': 'module.exports = async () => 1;',
      'package.json': JSON.stringify({ scripts: { test } }),
    });
    assert.ok(!built.lines.some((line) => line.startsWith('test:')));
  });

  it('installs dependencies from the lock file', async () => {
    const built = await bench.buildFiles('node', {
      'handler.js': `module.exports = async () => require('greeting');`,
      'package.json': JSON.stringify({
        name: 'x',
        version: '1.0.0',
        dependencies: { greeting: 'file:./greeting' },
      }),
      'package-lock.json': JSON.stringify({
        name: 'x',
        version: '1.0.0',
        lockfileVersion: 3,
        packages: {
          '': { name: 'x', version: '1.0.0', dependencies: { greeting: 'file:./greeting' } },
          greeting: { version: '1.0.0' },
          'node_modules/greeting': { resolved: 'greeting', link: true },
        },
      }),
      'greeting/package.json': '{"name":"greeting","version":"1.0.0"}',
      'greeting/index.js': `module.exports = 'installed';`,
    });
    assert.ok(built.lines.some((line) => line.startsWith('install: npm ci')));
    const { origin } = await bench.start(built.artifactDir);
    assert.equal(await (await fetch(origin)).text(), 'installed');
  });
});
