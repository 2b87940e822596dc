import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyConfiguration } from '../../core/function-spec.ts';
import type { StackFunction } from '../stack/stack.ts';
import type { Template } from '../templates/template.ts';
import { assembleContext } from './assemble-context.ts';

const place = { file: 'stack.yml', line: 4, column: 14 };
const copyPlace = { file: 'stack.yml', line: 9, column: 7 };

describe('assembling a build context', () => {
  let dir: string;
  let source: string;
  let target: string;
  let template: Template | null;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-context-'));
    source = join(dir, 'source');
    target = join(dir, 'target');
    await write(join(dir, 'template'), { 'index.js': 'server', 'function/handler.js': 'sample' });
    await write(source, { 'fn/handler.js': 'mine' });
    template = {
      language: 'node',
      dir: join(dir, 'template'),
      handlerFolder: 'function',
      command: ['node', 'index.js'],
      mode: 'http',
      environment: {},
      buildSteps: [],
    };
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function write(root: string, files: Record<string, string>) {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
  }

  function assemble(options: { handler?: string; copy?: string[]; maxBytes?: number } = {}) {
    const fn: StackFunction = {
      name: 'fn',
      lang: 'node',
      handler: options.handler ?? 'fn',
      ...emptyConfiguration(),
      buildArgs: {},
      buildOptions: [],
      buildSecrets: {},
      platforms: [],
      skipBuild: false,
      place: { file: 'stack.yml', line: 2 },
      handlerPlace: place,
    };
    const copy = (options.copy ?? []).map((path) => ({ path, place: copyPlace }));
    const maxBytes = options.maxBytes ?? 1_000_000;
    return assembleContext({ sourceDir: source, targetDir: target, fn, template, copy, maxBytes });
  }

  async function listing(): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      assert.equal(entry.isSymbolicLink(), false, `${path} is a link`);
      if (entry.isFile()) files[path.slice(target.length + 1)] = await readFile(path, 'utf8');
    }
    return files;
  }

  describe('with the language dockerfile', () => {
    beforeEach(() => {
      template = null;
    });

    it('takes the handler as the whole context', async () => {
      await write(source, { 'fn/Dockerfile': 'FROM scratch', 'lib/a': 'a', 'fn/function/b': 'b' });
      await assemble({ copy: ['lib'] });
      assert.deepEqual(await listing(), {
        Dockerfile: 'FROM scratch',
        'handler.js': 'mine',
        'function/b': 'b',
        'lib/a': 'a',
      });
    });

    it('calls a dockerfile Dockerfile, as Docker does, unless there are both', async () => {
      await write(source, { 'fn/dockerfile': 'FROM lower' });
      await assemble();
      assert.deepEqual(await listing(), { Dockerfile: 'FROM lower', 'handler.js': 'mine' });
      await write(source, { 'fn/Dockerfile': 'FROM upper' });
      await assemble();
      assert.equal((await listing())['Dockerfile'], 'FROM upper');
    });

    it('says where a Dockerfile is missing, and which file has nearly its name', async () => {
      await assert.rejects(assemble(), { code: 'build_failed', message: /"fn" has no Dockerfile/, place });
      await write(source, { 'fn/DockerFile': 'FROM scratch' });
      await assert.rejects(assemble(), { code: 'build_failed', hint: 'rename DockerFile to Dockerfile' });
    });
  });

  describe('with a .dockerignore', () => {
    it('of the template, leaves out what it names of the whole context', async () => {
      await write(template!.dir, { '.dockerignore': '**/*.log\nfunction/tests\n', 'a.log': '' });
      await write(source, {
        'fn/tests/a.js': '',
        'fn/x/b.log': '',
        'fn/.dockerignore': 'handler.js',
        'lib/c.log': '',
      });
      assert.deepEqual(await assemble({ copy: ['lib'] }), { files: 5, bytes: 50 });
      const names = Object.keys(await listing()).sort();
      assert.deepEqual(names, ['.dockerignore', 'function/.dockerignore', 'function/handler.js', 'index.js']);
    });

    it('of the handler, if that is the whole context', async () => {
      template = null;
      await write(source, { 'fn/Dockerfile': 'FROM scratch', 'fn/.dockerignore': '*\n!src/*.js\n' });
      await write(source, {
        'fn/src/a.js': 'a',
        'fn/src/a.ts': 'a',
        'fn/src/deep/b.js': 'b',
        'fn/empty/x': '',
      });
      await assemble();
      assert.deepEqual(Object.keys(await listing()).sort(), ['.dockerignore', 'Dockerfile', 'src/a.js']);
      assert.deepEqual((await readdir(target)).sort(), ['.dockerignore', 'Dockerfile', 'src']);
    });

    it('of the Dockerfile alone, before the general one', async () => {
      template = null;
      await write(source, {
        'fn/Dockerfile': '',
        'fn/.dockerignore': '*',
        'fn/Dockerfile.dockerignore': 'handler.*',
      });
      await write(source, { 'fn/kept': '' });
      await assemble();
      const names = ['.dockerignore', 'Dockerfile', 'Dockerfile.dockerignore', 'kept'];
      assert.deepEqual(Object.keys(await listing()).sort(), names);
    });

    it("of the handler over the template's, if its files go to the context's root", async () => {
      template = { ...template!, handlerFolder: '.' };
      await write(template.dir, { '.dockerignore': 'handler.js' });
      await assemble();
      assert.equal((await listing())['handler.js'], undefined);
      await write(source, { 'fn/.dockerignore': 'index.js' });
      await assemble();
      assert.equal((await listing())['handler.js'], 'mine');
    });

    it('needs not read, count or follow what it leaves out', async () => {
      template = null;
      await write(source, { 'fn/Dockerfile': '', 'fn/.dockerignore': 'node_modules' });
      await write(source, { 'fn/node_modules/large': 'x'.repeat(10_000) });
      await symlink('/etc/passwd', join(source, 'fn/node_modules/link'));
      assert.equal((await assemble({ maxBytes: 1000 })).files, 3);
    });

    it('that leads out of the repository is refused', async () => {
      template = null;
      await write(source, { 'fn/Dockerfile': '' });
      await symlink('/etc/passwd', join(source, 'fn/.dockerignore'));
      await assert.rejects(assemble(), { code: 'path_escapes', message: /fn\/\.dockerignore leads out/ });
    });

    it('that is wrong is named with its line', async () => {
      template = null;
      await write(source, { 'fn/Dockerfile': '', 'fn/.dockerignore': 'a\n[b' });
      await assert.rejects(assemble(), {
        code: 'build_failed',
        place: { file: 'fn/.dockerignore', line: 2 },
      });
    });
  });

  it("puts the user's files over the template's samples, and counts what it copied", async () => {
    await write(source, { 'fn/lib/a.js': 'a', 'other/b.js': 'b' });
    assert.deepEqual(await assemble(), { files: 4, bytes: 17 });
    assert.deepEqual(await listing(), {
      'index.js': 'server',
      'function/handler.js': 'mine',
      'function/lib/a.js': 'a',
    });
  });

  it("skips faas-cli's own folders and git's, but only the former at the top alone", async () => {
    await write(source, {
      'build/x': '',
      'template/x': '',
      '.git/config': '',
      'fn/build/x': 'kept',
      'fn/.git': '',
    });
    await assemble({ handler: '.' });
    const files = Object.keys(await listing()).sort();
    assert.deepEqual(files, [
      'function/fn/build/x',
      'function/fn/handler.js',
      'function/handler.js',
      'index.js',
    ]);
  });

  it('copies the paths of configuration.copy to the same place below the handler', async () => {
    await write(source, { 'shared/lib/a.js': 'a', 'data/one.json': '1', 'data/two.json': '2' });
    await assemble({ copy: ['shared', 'data/one.json'] });
    const files = await listing();
    assert.equal(files['function/shared/lib/a.js'], 'a');
    assert.equal(files['function/data/one.json'], '1');
    assert.equal(files['function/data/two.json'], undefined);
  });

  it('keeps the modes of files', async () => {
    await chmod(join(source, 'fn/handler.js'), 0o755);
    await assemble();
    assert.equal((await lstat(join(target, 'function/handler.js'))).mode & 0o777, 0o755);
  });

  it('copies a large file whole', async () => {
    await writeFile(join(source, 'fn/large'), Buffer.alloc(3_000_001, 7));
    await assemble({ maxBytes: 10_000_000 });
    assert.ok((await readFile(join(target, 'function/large'))).equals(Buffer.alloc(3_000_001, 7)));
  });

  it('follows links inside the repository and copies what they point to', async () => {
    await write(source, { 'shared/a.js': 'a' });
    await symlink('../shared', join(source, 'fn/shared'));
    await symlink('../shared/a.js', join(source, 'fn/b.js'));
    await symlink('fn', join(source, 'linked-handler'));
    await assemble({ handler: 'linked-handler' });
    const files = await listing();
    assert.deepEqual([files['function/shared/a.js'], files['function/b.js']], ['a', 'a']);
  });

  const escapes: [string, string, string][] = [
    ['an absolute link', 'fn/leak', '/etc/passwd'],
    ['a link to a parent', 'fn/leak', '../../outside'],
    ['a link to a folder outside', 'fn/leak', '../..'],
    ["a link to git's own folder", 'fn/leak', '../.git/config'],
    ['an absolute link back into the repository', 'fn/leak', '<source>/fn/handler.js'],
    ['a link to an absolute place that is not there', 'fn/deep/leak', '/nonexistent/x'],
  ];
  for (const [what, path, to] of escapes) {
    it(`refuses ${what}, naming the file`, async () => {
      await write(source, { '.git/config': '[x]', 'fn/deep/x': '' });
      await symlink(to.replace('<source>', source), join(source, path));
      await assert.rejects(assemble(), { code: 'path_escapes', message: new RegExp(`link ${path} `), place });
    });
  }

  it('refuses a chain of links of which only the last leads out, and one through a linked folder', async () => {
    await mkdir(join(source, 'hop'));
    await symlink('../..', join(source, 'hop/up'));
    await symlink('../hop/up/outside', join(source, 'fn/leak'));
    await write(dir, { outside: 'secret' });
    await assert.rejects(assemble(), { code: 'path_escapes', message: /fn\/leak/ });
  });

  it('refuses a handler or a copied path that is a link leading out, with its line', async () => {
    await symlink(dir, join(source, 'out'));
    await assert.rejects(assemble({ handler: 'out' }), { code: 'path_escapes', place });
    await assert.rejects(assemble({ handler: 'out/template' }), { code: 'path_escapes', place });
    await assert.rejects(assemble({ copy: ['out/template'] }), { code: 'path_escapes', place: copyPlace });
  });

  it('refuses links to nothing and links in circles instead of following them for ever', async () => {
    await symlink('nothing', join(source, 'fn/dangling'));
    await assert.rejects(assemble(), { code: 'build_failed', message: /fn\/dangling/ });
    await rm(join(source, 'fn/dangling'));
    await symlink('round', join(source, 'fn/round'));
    await assert.rejects(assemble(), { code: 'build_failed', message: /fn\/round/ });
    await rm(join(source, 'fn/round'));
    await symlink('../fn', join(source, 'fn/self'));
    await assert.rejects(assemble(), { code: 'path_escapes', message: /fn\/self/ });
  });

  it('stops a small tree of links that unfolds into a huge one', async () => {
    for (let level = 0; level < 6; level += 1) {
      await mkdir(join(source, `level-${level}`));
      for (let n = 0; n < 10; n += 1) {
        await symlink(`../level-${level + 1}`, join(source, `level-${level}`, `n${n}`));
      }
    }
    await write(source, { 'level-6/file': 'x'.repeat(1000) });
    await assert.rejects(assemble({ handler: 'level-0' }), { code: 'context_too_large' });
  });

  it('refuses a named pipe without waiting for its writer', async () => {
    execFileSync('mkfifo', [join(source, 'fn/pipe')]);
    await assert.rejects(assemble(), { code: 'build_failed', message: /fn\/pipe/ });
  });

  it('refuses a name that is not UTF-8', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${source}/fn/`), Buffer.from([0xff, 0xfe])]), '');
    await assert.rejects(assemble(), { code: 'build_failed', message: /UTF-8/ });
  });

  it('refuses more bytes than allowed, with the line of the handler', async () => {
    await write(source, { 'fn/big': 'x'.repeat(2000) });
    await assert.rejects(assemble({ maxBytes: 1000 }), {
      code: 'context_too_large',
      message: /fn\/big/,
      place,
    });
  });

  it('says which handler or copied path is missing, with its line', async () => {
    await assert.rejects(assemble({ handler: 'nope' }), {
      code: 'handler_missing',
      message: /"nope"/,
      place,
    });
    await assert.rejects(assemble({ handler: 'fn/handler.js' }), {
      code: 'handler_missing',
      message: /not a folder/,
    });
    await assert.rejects(assemble({ copy: ['nope'] }), { code: 'stack_invalid', place: copyPlace });
  });

  it("lets a user's folder take the place of a template's file, and the other way round", async () => {
    await write(template!.dir, { 'function/data': 'file', 'function/lib/x': 'folder' });
    await write(source, { 'fn/data/x': 'folder', 'fn/lib': 'file' });
    await assemble();
    const files = await listing();
    assert.deepEqual([files['function/data/x'], files['function/lib']], ['folder', 'file']);
    await rm(target, { recursive: true });
    await write(source, { 'lib/y': '' });
    await assert.rejects(assemble({ copy: ['lib/y'] }), { code: 'stack_invalid', place: copyPlace });
  });

  it('never reads or writes outside, whatever the repository holds', async () => {
    await write(dir, { 'secret/x': 'SECRET', secretfile: 'SECRET' });
    const name = fc.constantFrom(
      'a',
      'b',
      'c',
      'handler.js',
      'fn',
      '..',
      'secret',
      'secretfile',
      'x',
      'source',
    );
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
    const entry = fc.record({
      at: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((s) => s.join('/')),
      link: fc.option(
        fc.tuple(fc.constantFrom('', '', '/', `${dir}/`), path).map(([start, to]) => start + to),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), path, async (entries, handler) => {
        await rm(source, { recursive: true, force: true });
        await rm(target, { recursive: true, force: true });
        await write(source, { 'fn/handler.js': 'mine' });
        for (const { at, link } of entries) {
          // One folder after the other: a recursive mkdir never returns from a link to nothing.
          const folders = at.split('/').slice(0, -1);
          for (const depth of folders.keys()) {
            await mkdir(join(source, 'fn', ...folders.slice(0, depth + 1))).catch(() => {});
          }
          const full = join(source, 'fn', at);
          const made = link === null ? writeFile(full, 'inside', { flag: 'wx' }) : symlink(link, full);
          await made.catch(() => {});
        }
        const outside = await outsideListing();
        for (const from of ['fn', handler]) {
          await assemble({ handler: from, copy: ['fn'] }).catch((error) =>
            assert.ok(error.code, String(error.stack)),
          );
        }
        const texts = await mkdir(target, { recursive: true }).then(listing);
        assert.ok(!Object.values(texts).some((text) => text.includes('SECRET')));
        assert.deepEqual(await outsideListing(), outside);
      }),
      { numRuns: 60 },
    );
  });

  /** Everything beside the target, which alone may change. */
  async function outsideListing(): Promise<string[]> {
    // With types, because without them Node follows links.
    const all = await readdir(dir, { recursive: true, withFileTypes: true });
    const paths = all.map((entry) => join(entry.parentPath, entry.name));
    return paths.filter((path) => !path.startsWith(target)).sort();
  }
});
