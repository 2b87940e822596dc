import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { programFiles, startProgramProcess } from './program-process.ts';

/** What is said to each program is enough for it. */
async function settingsOf(files: { at(name: string): string }): Promise<Record<string, string>> {
  await mkdir(files.at('web'));
  await writeFile(files.at('web/index.html'), '<!doctype html>');
  return {
    TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
    TOWLINE_DATA: files.at('data'),
    TOWLINE_WEB_DIR: files.at('web'),
    TOWLINE_GITOPS_URL: 'https://git.example.org/a.git',
    TOWLINE_BUILDER_URL: 'http://builder:8081',
    TOWLINE_REGISTRY: 'registry.example.org',
    TOWLINE_DELIVERY: 'repository',
  };
}

async function checked(main: string, env: Record<string, string>) {
  await using program = startProgramProcess(main, env, ['--check-config']);
  return { code: await program.ended, output: program.output() };
}

describe('--check-config', () => {
  for (const room of ['auth', 'builder', 'manifest-writer', 'router', 'ui/server']) {
    it(`of ${room} reads the service tokens, as the start does`, async () => {
      await using files = await programFiles();
      const settings = await settingsOf(files);
      const main = `${room}/main.ts`;
      const good = await checked(main, { ...settings, TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens') });
      assert.match(good.output, /the configuration is valid/);
      assert.equal(good.code, 0);

      const gone = await checked(main, { ...settings, TOWLINE_SERVICE_TOKEN_FILE: files.at('gone') });
      assert.match(gone.output, /TOWLINE_SERVICE_TOKEN_FILE: .*gone cannot be read/);
      assert.equal(gone.code, 2);

      await writeFile(files.at('tokens'), 'short\n');
      const broken = await checked(main, { ...settings, TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens') });
      assert.match(broken.output, /line 1 of the service tokens/);
      assert.equal(broken.code, 2);
    });
  }
});
