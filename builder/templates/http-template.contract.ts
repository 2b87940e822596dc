import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createBench, createProcessRuntime, type Files } from './built-function.contract.ts';

/** The same small functions, in the template's own language. */
export interface HttpTemplateSubject {
  language: string;
  /** Answers JSON `{method, path, name, type, body}`: the query's `name`, the content type, the body as text. */
  echo: Files;
  /** Answers 201 with the header `X-Made: yes` and the body `made`. */
  made: Files;
  /** Throws an error that says `secret detail`, except for the path `/ok`. */
  throwing: Files;
  /** Answers `done` after 300 ms. */
  sluggish: Files;
  /** Yields `one` and, 100 ms later, `two`. */
  streaming: Files;
  /** Cannot be loaded; its error says `missing-module`. */
  unloadable: Files;
}

/** What every template of mode `http` owes to the supervisor, the router and the function's author. */
export function describeHttpTemplate(
  subject: HttpTemplateSubject,
  path: string,
  makeRuntime: typeof createProcessRuntime = createProcessRuntime,
): void {
  describe(`the template ${subject.language}`, () => {
    let bench: Awaited<ReturnType<typeof createBench>>;
    before(async () => {
      bench = await createBench(path, makeRuntime);
    });
    after(() => bench[Symbol.asyncDispose]());

    async function start(files: Files) {
      return bench.start((await bench.buildFiles(subject.language, files)).artifactDir);
    }

    it('hands method, path, query, headers and body to the handler', async () => {
      const { origin } = await start(subject.echo);
      const response = await fetch(`${origin}/a/b%20c?name=x+y&other=1`, {
        method: 'PUT',
        headers: { 'Content-Type': 'text/plain' },
        body: 'häse',
      });
      assert.deepEqual(await response.json(), {
        method: 'PUT',
        path: '/a/b%20c',
        name: 'x y',
        type: 'text/plain',
        body: 'häse',
      });
    });

    it('takes a chunked body', async () => {
      const { port } = await start(subject.echo);
      const answer = await raw(
        port,
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
          '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
      );
      assert.match(answer, /^HTTP\/1\.1 200 /);
      assert.match(answer, /"body": ?"abcde"/);
    });

    it('refuses a request whose end is unclear', async () => {
      const { port } = await start(subject.echo);
      const answer = await raw(
        port,
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
      );
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.doesNotMatch(answer, /smuggled/);
    });

    it('answers 413 to a body that is too large', async () => {
      const { port } = await start(subject.echo);
      const answer = await raw(
        port,
        `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${11 * 1024 * 1024}\r\nConnection: close\r\n\r\n`,
        Buffer.alloc(11 * 1024 * 1024),
      );
      assert.match(answer, /^HTTP\/1\.1 413 /);
    });

    it('sends the status and the headers that the handler sets', async () => {
      const { origin } = await start(subject.made);
      const response = await fetch(origin);
      assert.deepEqual(
        [response.status, response.headers.get('x-made'), await response.text()],
        [201, 'yes', 'made'],
      );
      const head = await fetch(origin, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [201, '']);
    });

    it('answers 500 without details when the handler throws, logs the stack, and goes on', async () => {
      const { origin, output } = await start(subject.throwing);
      const response = await fetch(`${origin}/fail`);
      assert.equal(response.status, 500);
      assert.doesNotMatch(await response.text(), /secret detail/);
      while (!output.text.includes('secret detail')) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.match(output.text, /function\/handler\./);
      assert.equal((await fetch(`${origin}/ok`)).status, 200);
    });

    it('streams what the handler yields', async () => {
      const { origin } = await start(subject.streaming);
      const pieces: string[] = [];
      for await (const piece of (await fetch(origin)).body!) pieces.push(Buffer.from(piece).toString());
      assert.deepEqual(pieces, ['one', 'two']);
    });

    it('answers many requests on one connection', async () => {
      const { port } = await start(subject.made);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const sockets = new Set<number | undefined>();
      for (let n = 0; n < 5; n += 1) sockets.add(await localPortOf(port, agent));
      agent.destroy();
      assert.equal(sockets.size, 1);
    });

    it('listens on the loopback address only', async () => {
      const { port } = await start(subject.made);
      const outside = await new Promise((resolve) => {
        const socket = connect(port, '127.0.0.2');
        socket.once('connect', () => resolve('connected') ?? socket.destroy());
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      });
      assert.equal(outside, 'ECONNREFUSED');
    });

    it('finishes what is in flight on SIGTERM, takes nothing new, and exits with 0', async () => {
      const { origin, child, exited, output } = await start(subject.sluggish);
      const inFlight = fetch(origin);
      while (!output.text.includes('working')) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill('SIGTERM');
      const response = await inFlight;
      assert.equal(await response.text(), 'done');
      assert.equal(response.headers.get('connection'), 'close');
      assert.equal(await exited, 0);
      await assert.rejects(fetch(origin));
    });

    it('exits at once on SIGTERM if connections are only kept open', async () => {
      const { port, child, exited } = await start(subject.made);
      const agent = new Agent({ keepAlive: true });
      await localPortOf(port, agent);
      child.kill('SIGTERM');
      assert.equal(await exited, 0);
      agent.destroy();
    });

    it('exits with 1 and says why on standard error if the handler cannot be loaded', async () => {
      const built = await bench.buildFiles(subject.language, subject.unloadable);
      const { exited, output } = await bench.launch(built.artifactDir);
      assert.equal(await exited, 1);
      assert.match(output.text, /missing-module/);
    });

    it('fails the build if the handler file is not there', async () => {
      await assert.rejects(bench.buildFiles(subject.language, { 'other.txt': '' }), {
        code: 'build_failed',
        message: /the handler folder has no handler\./,
      });
    });
  });
}

function localPortOf(port: number, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', agent }, (response) => {
      const local = response.socket.localPort;
      response.resume().once('end', () => setImmediate(resolve, local));
    });
    request.once('error', reject).end();
  });
}

/** Sends bytes as they are and gives everything that comes back until the connection closes. */
function raw(port: number, head: string, body?: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(head);
      if (body) socket.write(body);
    });
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    // A server that answers early may cut the connection while the body is still being sent.
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}
