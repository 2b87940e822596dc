import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { openArtifactShelf } from './artifact-shelf.ts';

async function shelf(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'towline-shelf-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dir = join(folder, 'artifacts');
  const opened = await openArtifactShelf({ dir, host: '127.0.0.1', port: 0 });
  t.after(() => opened[Symbol.asyncDispose]());
  return { folder, dir, opened, url: `http://127.0.0.1:${opened.port}` };
}

const content = Buffer.from('a tar, as far as anybody here knows');
const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** As it is written, without what a client makes of it. */
async function raw(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  return text(socket);
}

describe('the shelf of artifacts', () => {
  it('gives an archive to who knows its digest', async (t) => {
    const { opened, url } = await shelf(t);
    await opened.put(digest, content);
    const response = await fetch(`${url}/${opened.pathOf(digest)}`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('cache-control') ?? '', /immutable/);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), content);
  });

  it('shows nothing else: no list, no other file, nothing above', async (t) => {
    const { opened, folder, dir } = await shelf(t);
    await opened.put(digest, content);
    await writeFile(join(folder, 'secret'), 'secret');
    await writeFile(join(dir, 'half.new'), 'secret');
    const name = opened.pathOf(digest);
    for (const target of [
      '/',
      '//',
      '/half.new',
      '/../secret',
      '/%2e%2e/secret',
      `/./${name}`,
      `/${name}?x`,
    ]) {
      const answer = await raw(opened.port, `GET ${target}`);
      assert.match(answer, /^HTTP\/1\.1 404 /, target);
      assert.doesNotMatch(answer, /secret/);
    }
  });

  it('takes nothing', async (t) => {
    const { opened, url, dir } = await shelf(t);
    const name = opened.pathOf(digest);
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) {
      const response = await fetch(`${url}/${name}`, { method, body: 'x' });
      assert.equal(response.status, 405, method);
    }
    assert.deepEqual(await readdir(dir), []);
  });

  for (const left of [Buffer.alloc(0), content.subarray(0, 5), Buffer.from(content).fill('x')]) {
    it(`writes anew what a crash has left of an archive: ${JSON.stringify(left.toString())}`, async (t) => {
      const { opened, url, dir } = await shelf(t);
      await writeFile(join(dir, opened.pathOf(digest)), left);
      await opened.put(digest, content);
      const response = await fetch(`${url}/${opened.pathOf(digest)}`);
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), content);
    });
  }

  it('takes the same archive of several tenants at once', async (t) => {
    const { opened, dir } = await shelf(t);
    await Promise.all(Array.from({ length: 20 }, () => opened.put(digest, content)));
    assert.deepEqual(await readdir(dir), [opened.pathOf(digest)]);
    assert.deepEqual(await readFile(join(dir, opened.pathOf(digest))), content);
  });

  it('keeps what was replaced a moment ago, and no longer', async (t) => {
    const { opened, dir } = await shelf(t);
    await opened.put(digest, content);
    await opened.sweep(new Set());
    assert.equal(await opened.has(digest), true);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(dir, opened.pathOf(digest)), longAgo, longAgo);
    await opened.sweep(new Set([digest]));
    assert.equal(await opened.has(digest), true);
    await opened.sweep(new Set());
    assert.equal(await opened.has(digest), false);
  });
});
