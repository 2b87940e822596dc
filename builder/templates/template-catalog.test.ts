import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { assembleContext } from '../context/assemble-context.ts';
import { readStack } from '../stack/read-stack.ts';
import { bundledTemplates } from './built-function.contract.ts';
import { openTemplates, type TemplatesConfig } from './open-templates.ts';
import type { Template, TemplateCatalog } from './template.ts';
import { startTemplateServer, type TemplateServer } from './template-repository-fixture.ts';

const path = process.env['PATH']!;

const goTemplate = {
  'template/go/template.yml':
    'language: go\nfprocess: ./handler\nhandler_folder: function\nbuild_options:\n  - {name: dev, packages: [make, gcc]}\nwelcome_message: |\n  Hello\n',
  'template/go/Dockerfile': 'FROM golang\n',
  'template/go/main.go': 'package main\n',
  'template/go/function/handler.go': 'package function // sample\n',
  'template/rust/template.yml': 'language: rust\nfprocess: ./main\n',
  'README.md': 'Templates in the official layout',
};

describe('finding a template', () => {
  let server: TemplateServer;
  let dir: string;
  let repository: string;
  let commit: string;
  before(async () => {
    server = await startTemplateServer(path);
    commit = await server.commit('team/go', goTemplate);
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-catalog-'));
    repository = join(dir, 'repository');
    await mkdir(repository);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  function open(options: Partial<TemplatesConfig> = {}): Promise<TemplateCatalog> {
    return openTemplates({
      bundledDir: bundledTemplates,
      cacheDir: join(dir, 'cache'),
      path,
      templateSources: [`${server.http.url}/team/*`],
      templateRepositories: [],
      localTemplates: true,
      ...options,
    });
  }

  async function write(files: Record<string, string>) {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(repository, name)), { recursive: true });
      await writeFile(join(repository, name), text);
    }
  }

  /** The way of a push: the stack file is read, then each function's template is looked for. */
  async function resolve(catalog: TemplateCatalog, stack: string) {
    await write({ 'stack.yml': `provider: {name: openfaas}\n${stack}` });
    const read = await readStack(repository, {
      owner: 'alice',
      languages: catalog.languages(),
      acceptsOthers: catalog.isOpen,
    });
    const fn = read.functions[0]!;
    assert.ok(fn, JSON.stringify(read.refused));
    const warnings: string[] = [];
    const template = await catalog.resolve(fn.lang, {
      references: read.templates,
      sourceDir: repository,
      place: fn.langPlace!,
      warn: (text) => warnings.push(text),
      signal: new AbortController().signal,
    });
    return { template, warnings, fn, stack: read };
  }

  const using = (lang: string, source?: string, name = lang) =>
    `functions:\n  a: {lang: ${lang}, handler: a}\n${
      source === undefined
        ? ''
        : `configuration:\n  templates:\n    - name: ${name}\n      source: ${source}\n`
    }`;
  const url = () => server.urlOf('team/go');
  const originOf = ({ template }: { template: Template | null }) => template?.origin;

  it('takes the source of the stack file, and builds a context of its files', async () => {
    const { template, fn, stack } = await resolve(await open(), using('go', url()));
    assert.deepEqual(template?.origin, { kind: 'git', source: url(), commit });
    assert.deepEqual(template.command, ['./handler']);
    assert.deepEqual(template.buildOptions, [{ name: 'dev', packages: ['make', 'gcc'] }]);
    await write({ 'a/handler.go': 'package function // mine\n' });
    const targetDir = join(dir, 'context');
    const request = { sourceDir: repository, targetDir, fn, template, copy: stack.copy, maxBytes: 100_000 };
    assert.equal((await assembleContext(request)).files, 5);
  });

  it('takes the commit, the branch or the tag behind the "#"', async () => {
    const first = await server.commit('team/refs', { 'template/go/template.yml': 'fprocess: first' });
    await server.git(
      'team/refs',
      'push',
      '--quiet',
      join(server.dir, 'repositories/team/refs.git'),
      'HEAD:old',
    );
    await server.commit('team/refs', { 'template/go/template.yml': 'fprocess: second' });
    const catalog = await open();
    for (const [ref, expected] of [
      ['', 'second'],
      ['#main', 'second'],
      ['#old', 'first'],
      [`#${first}`, 'first'],
    ]) {
      const { template } = await resolve(catalog, using('go', `${server.urlOf('team/refs')}${ref}`));
      assert.deepEqual(template?.command, [expected], ref);
    }
  });

  it('takes another language of the same source, but the bundled one before it', async () => {
    const catalog = await open();
    assert.deepEqual(originOf(await resolve(catalog, using('rust', url(), 'go'))), {
      kind: 'git',
      source: url(),
      commit,
    });
    await server.commit('team/node', { 'template/node/template.yml': 'fprocess: theirs' });
    const source = server.urlOf('team/node');
    assert.deepEqual((await resolve(catalog, using('node', source))).template?.command, ['theirs']);
    assert.equal(originOf(await resolve(catalog, using('node', source, 'other'))), undefined);
  });

  it("takes the installation's repositories for every stack file, and says so to the reader", async () => {
    const catalog = await open({ templateSources: [], templateRepositories: [{ url: url(), ref: 'main' }] });
    assert.equal(catalog.isOpen, true);
    assert.equal(originOf(await resolve(catalog, using('go')))?.kind, 'git');
    // A stack file may name it too.
    assert.equal(originOf(await resolve(catalog, using('go', url())))?.kind, 'git');
    await assert.rejects(resolve(catalog, using('cobol')), {
      code: 'language_unknown',
      place: { file: 'stack.yml', line: 3, column: 13 },
    });
  });

  it('takes the template folder of the repository first, if it may', async () => {
    await write({ 'template/go/template.yml': 'fprocess: local' });
    const found = await resolve(await open(), using('go', url()));
    assert.deepEqual([found.template?.command, originOf(found)], [['local'], { kind: 'repository' }]);
    const refused = await resolve(await open({ localTemplates: false }), using('go', url()));
    assert.equal(originOf(refused)?.kind, 'git');
    assert.match(refused.warnings.join(), /template\/go is not used/);
    await assert.rejects(resolve(await open({ localTemplates: false }), using('go')), {
      code: 'language_unknown',
    });
  });

  it('needs no template for a Dockerfile, in any case', async () => {
    assert.equal((await resolve(await open(), using('Dockerfile'))).template, null);
  });

  it('refuses sources that are not allowed, without asking them', async () => {
    await server.commit('other/go', goTemplate);
    const catalog = await open();
    const before = server.http.requests.length;
    for (const source of [
      server.urlOf('other/go'),
      `${server.http.url}/team/../other/go`,
      'https://169.254.169.254/latest/meta-data',
      `file://${join(server.dir, 'repositories/team/go.git')}`,
      'http://localhost/team/go',
    ]) {
      await assert.rejects(resolve(catalog, using('go', source)), {
        code: 'policy_refused',
        place: { file: 'stack.yml', line: 7, column: 15 },
      });
    }
    assert.equal(server.http.requests.length, before);
  });

  it('tells nothing of credentials that stand in a source', async () => {
    const source = server.urlOf('team/go').replace('://', '://user:hunter2@');
    await assert.rejects(resolve(await open(), using('go', source)), (error: Error) => {
      assert.doesNotMatch(error.message, /hunter2/);
      assert.match(error.message, /no URL that can be fetched/);
      return true;
    });
  });

  it('takes a folder of this machine only if it is allowed by its whole name', async () => {
    const source = `file://${join(server.dir, 'repositories/team/go.git')}`;
    const catalog = await open({ templateSources: [source] });
    assert.equal(originOf(await resolve(catalog, using('go', source)))?.kind, 'git');
  });

  it('waits for a source that is away', async () => {
    await using away = await startTemplateServer(path);
    const source = away.urlOf('team/go');
    const catalog = await open({ templateSources: [source] });
    await away.http.kill();
    await assert.rejects(resolve(catalog, using('go', source)), { code: 'remote_unavailable' });
  });

  it('names what is wrong in a template, by its path in the repository', async () => {
    await server.commit('team/broken', { 'template/go/template.yml': 'handler_folder: ../..\nfprocess: x' });
    await assert.rejects(resolve(await open(), using('go', server.urlOf('team/broken'))), {
      code: 'stack_invalid',
      message: /^the template template\/go\/template\.yml is wrong: handler_folder/,
    });
  });

  it('follows no link out of the folder of templates, nor out of a template', async () => {
    await write({ 'elsewhere/template.yml': 'fprocess: x', 'template/real/template.yml': 'fprocess: x' });
    await symlink('../elsewhere', join(repository, 'template/out'));
    await symlink('real', join(repository, 'template/alias'));
    const catalog = await open();
    await assert.rejects(resolve(catalog, using('out')), { code: 'language_unknown' });
    await assert.rejects(resolve(catalog, using('alias')), { code: 'path_escapes' });
    await server.commit('team/links', {
      'template/go/template.yml': 'fprocess: x',
      'template/go/passwd': { link: '/etc/passwd' },
    });
    const { template, fn } = await resolve(catalog, using('go', server.urlOf('team/links')));
    await write({ 'a/handler.go': '' });
    const request = { sourceDir: repository, targetDir: join(dir, 'context'), fn, template, copy: [] };
    await assert.rejects(assembleContext({ ...request, maxBytes: 100_000 }), { code: 'path_escapes' });
  });
});
