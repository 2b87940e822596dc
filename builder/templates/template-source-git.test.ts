import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startTemplateServer, type TemplateServer } from './template-repository-fixture.ts';
import { describeTemplateSource } from './template-source.contract.ts';
import { createGitTemplateSource } from './template-source-git.ts';

const path = process.env['PATH']!;

describeTemplateSource('git', async () => {
  const server = await startTemplateServer(path);
  const make = () => createGitTemplateSource({ cacheDir: join(server.dir, 'cache'), path });
  return {
    source: await make(),
    restarted: make,
    urlOf: server.urlOf,
    commit: server.commit,
    async tag(repository, name) {
      // Annotated: a tag's own object is no commit.
      await server.git(repository, 'tag', '--annotate', '--message', name, name);
      await server.git(
        repository,
        'push',
        '--quiet',
        join(server.dir, 'repositories', `${repository}.git`),
        name,
      );
    },
    goAway: () => server.http.kill(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

describe('templates from git', () => {
  const { signal } = new AbortController();
  let server: TemplateServer;
  let count = 0;
  before(async () => {
    server = await startTemplateServer(path);
  });
  after(() => server[Symbol.asyncDispose]());

  const cacheDir = () => join(server.dir, `cache-${++count}`);
  const fetches = () => server.http.requests.filter(({ method }) => method === 'POST').length;
  const template = { 'template/go/template.yml': 'fprocess: x' };

  it('fetches a commit once for all who want it at the same time, and never again', async () => {
    const commit = await server.commit('once', template);
    const source = await createGitTemplateSource({ cacheDir: cacheDir(), path });
    const url = server.urlOf('once');
    const one = fetches();
    const folders = await Promise.all(
      Array.from({ length: 20 }, () => source.folder({ url }, commit, signal)),
    );
    assert.equal(new Set(folders).size, 1);
    const perFetch = fetches() - one;
    assert.ok(perFetch > 0 && perFetch <= 3, `${perFetch} requests`);
    await source.folder({ url }, commit, signal);
    assert.equal(fetches() - one, perFetch);
  });

  it('lets the others go on when one of them gives up', async () => {
    const commit = await server.commit('shared', template);
    const source = await createGitTemplateSource({ cacheDir: cacheDir(), path });
    const stop = new AbortController();
    const location = { url: server.urlOf('shared') };
    const given = source.folder(location, commit, stop.signal);
    const kept = source.folder(location, commit, signal);
    stop.abort(new Error('superseded'));
    await assert.rejects(given, { message: 'superseded' });
    assert.equal((await lstat(await kept)).isDirectory(), true);
  });

  it('keeps nothing of a repository that is too large, nor of git itself', async () => {
    const dir = cacheDir();
    const noise = Array.from({ length: 20_000 }, () => Math.random().toString(36)).join('\n');
    const commit = await server.commit('large', { ...template, 'template/go/large': noise });
    const url = server.urlOf('large');
    const small = await createGitTemplateSource({ cacheDir: dir, path, maxBytes: 100_000 });
    await assert.rejects(small.folder({ url }, commit, signal), { code: 'context_too_large' });
    assert.deepEqual(await readdir(dir), []);
    const folder = await (await createGitTemplateSource({ cacheDir: dir, path })).folder(
      { url },
      commit,
      signal,
    );
    assert.deepEqual(await readdir(join(folder, '../..')), ['source']);
  });

  it('does not take a link for the folder of templates', async () => {
    const source = await createGitTemplateSource({ cacheDir: cacheDir(), path });
    const commit = await server.commit('linked', { template: { link: '/etc' } });
    await assert.rejects(source.folder({ url: server.urlOf('linked') }, commit, signal), {
      code: 'source_unavailable',
    });
  });

  it('does not follow a server that leads to another host', async () => {
    const { createServer } = await import('node:http');
    let asked = 0;
    const inner = createServer((_request, response) => {
      asked += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    const outer = createServer((_request, response) => {
      const { port } = inner.address() as { port: number };
      response
        .writeHead(302, { location: `http://127.0.0.1:${port}/secret/info/refs?service=git-upload-pack` })
        .end();
    }).listen(0, '127.0.0.1');
    await Promise.all(
      [inner, outer].map((each) => each.listening || new Promise((done) => each.once('listening', done))),
    );
    try {
      const source = await createGitTemplateSource({ cacheDir: cacheDir(), path });
      const { port } = outer.address() as { port: number };
      await assert.rejects(source.commitOf({ url: `http://127.0.0.1:${port}/t` }, signal), {
        code: 'remote_unavailable',
      });
      assert.equal(asked, 0);
    } finally {
      inner.close();
      outer.close();
    }
  });

  it('removes what a killed run left half-done', async () => {
    const dir = cacheDir();
    await mkdir(join(dir, 'new-left'), { recursive: true });
    await writeFile(join(dir, 'new-left/file'), 'x');
    await createGitTemplateSource({ cacheDir: dir, path });
    assert.deepEqual(await readdir(dir), []);
  });

  it('keeps the commits used last, and those that builds may still use', async () => {
    const dir = cacheDir();
    let time = Date.now();
    const source = await createGitTemplateSource({ cacheDir: dir, path, keepCommits: 1, now: () => time });
    const url = server.urlOf('many');
    const commits: string[] = [];
    for (const text of ['a', 'b', 'c']) {
      commits.push(await server.commit('many', { 'template/go/template.yml': text }));
      await source.folder({ url }, commits.at(-1)!, signal);
    }
    assert.equal((await readdir(dir)).length, 3);
    time += 25 * 60 * 60_000;
    await source.folder({ url }, commits[1]!, signal);
    commits.push(await server.commit('many', { 'template/go/template.yml': 'd' }));
    await source.folder({ url }, commits[3]!, signal);
    const kept = (await readdir(dir)).map((name) => name.split('-')[1]).sort();
    assert.deepEqual(kept, [commits[1], commits[3]].sort());
  });
});
