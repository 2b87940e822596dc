import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { programFiles, startProgramProcess } from './program-process.ts';

describe('a data folder that no file system makes', () => {
  it('ends auth with the reason, where it would otherwise try for ever and hear no SIGTERM', async () => {
    await using files = await programFiles();
    await using program = startProgramProcess('auth/main.ts', {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens'),
      TOWLINE_DATA: '/proc/towline',
    });
    assert.equal(await program.ended, 1);
    assert.match(program.output(), /ENOENT.*\/proc\/towline/);
  });
});
