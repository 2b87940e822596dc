import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { bundledTemplates } from './built-function.contract.ts';
import { loadTemplates } from './load-templates.ts';

describe('loading templates', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-templates-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function write(language: string, text: string) {
    await mkdir(join(dir, language));
    await writeFile(join(dir, language, 'template.yml'), text);
  }

  it('finds the bundled ones', async () => {
    const catalog = await loadTemplates(bundledTemplates);
    assert.deepEqual(catalog.languages(), ['bash-streaming', 'node', 'python3', 'python3-http']);
    const modes = catalog.languages().map((language) => catalog.find(language)?.mode);
    assert.deepEqual(modes, ['streaming', 'http', 'serializing', 'http']);
    assert.equal(catalog.find('cobol'), undefined);
  });

  it("takes an official template as it is, with the classic watchdog's mode", async () => {
    await write(
      'go',
      'language: go\nfprocess: ./handler  --flag\nbuild_options: [{name: dev, packages: [git]}]\n',
    );
    assert.deepEqual((await loadTemplates(dir)).find('go'), {
      language: 'go',
      dir: join(dir, 'go'),
      handlerFolder: 'function',
      command: ['./handler', '--flag'],
      mode: 'streaming',
      environment: {},
      entryFiles: undefined,
      buildSteps: [],
      buildOptions: [{ name: 'dev', packages: ['git'] }],
    });
  });

  const bad: [string, string, RegExp][] = [
    ['is not YAML', 'a: b: c', /cannot be read: Nested mappings/],
    ['has no fprocess', 'language: x', /fprocess/],
    ['is empty', '', /the file/],
    [
      'puts the handler outside',
      'fprocess: x\nhandler_folder: ../x',
      /handler_folder: must be a path inside/,
    ],
    [
      'runs a step outside',
      'fprocess: x\nx-towline: {build: [{name: a, run: [b], cwd: /}]}',
      /build\.0\.cwd/,
    ],
    ['has an unknown mode', 'fprocess: x\nx-towline: {mode: static}', /x-towline\.mode/],
    ['has a misspelt field', 'fprocess: x\nx-towline: {enviroment: {}}', /enviroment/],
  ];
  for (const [what, text, message] of bad) {
    it(`names the file that ${what}`, async () => {
      await write('broken', text);
      await assert.rejects(loadTemplates(dir), (error: Error & { code: string }) => {
        assert.equal(error.code, 'config_invalid');
        assert.ok(error.message.includes(join(dir, 'broken/template.yml')));
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('says so if a folder has no template.yml, or there is no folder at all', async () => {
    await mkdir(join(dir, 'empty'));
    await assert.rejects(loadTemplates(dir), { code: 'config_invalid', message: /empty\/template\.yml/ });
    await assert.rejects(loadTemplates(join(dir, 'nope')), { code: 'config_invalid', message: /nope/ });
  });
});
