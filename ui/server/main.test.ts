import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { programFiles, startProgramProcess } from '../../test/programs/program-process.ts';

const main = 'ui/server/main.ts';

async function scene() {
  const files = await programFiles();
  await writeFile(files.at('index.html'), '<!doctype html><title>Towline</title>');
  const nowhere = 'http://127.0.0.1:1';
  return {
    env: {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens'),
      TOWLINE_KUBECONFIG: files.at('kubeconfig'),
      TOWLINE_WEB_DIR: files.dir,
      ...{ TOWLINE_AUTH_URL: nowhere, TOWLINE_BUILDER_URL: nowhere, TOWLINE_MANIFEST_WRITER_URL: nowhere },
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

describe('the platform API as a program', () => {
  it('ends with 2 without a built dashboard', async () => {
    await using at = await scene();
    await using program = startProgramProcess(main, { ...at.env, TOWLINE_WEB_DIR: '/nonexistent' });

    assert.equal(await program.ended, 2);
    assert.match(program.output(), /TOWLINE_WEB_DIR: there is no built dashboard in \/nonexistent/);
  });

  it('lets nobody in while auth is away, and ends in order', async () => {
    await using at = await scene();
    await using program = startProgramProcess(main, at.env);
    const { port } = await program.listening;

    assert.equal((await program.probe('/healthz')).status, 200);
    assert.equal((await program.probe('/readyz')).status, 503);
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/me`, {
      headers: { authorization: 'Bearer guessed' },
    });
    assert.ok([401, 503].includes(answer.status), String(answer.status));
    assert.equal(await program.end('SIGTERM'), 0);
  });
});
