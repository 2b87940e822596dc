import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { programFiles, startProgramProcess } from '../test/programs/program-process.ts';

const main = 'router/main.ts';

describe('the router as a program', () => {
  it('ends with 2 and names everything that is wrong with its settings', async () => {
    await using program = startProgramProcess(main, { TOWLINE_ROOT_DOMAIN: 'Not A Host', PORT: '99999' });

    assert.equal(await program.ended, 2);
    assert.match(program.output(), /PORT: .*TOWLINE_PUBLIC_ORIGIN: .*TOWLINE_ROOT_DOMAIN: /s);
  });

  it('ends with 2 and the place of a mistake in the rules of the installation', async () => {
    await using files = await programFiles();
    await writeFile(files.at('towline.yaml'), 'target: openfaas\nenvironments:\n  - name: No Name\n');
    const env = {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_CONFIG: files.at('towline.yaml'),
    };
    await using program = startProgramProcess(main, env, ['--check-config']);

    assert.equal(await program.ended, 2);
    assert.match(program.output(), /towline\.yaml:3:11: environments\.0\.name/);
  });

  it('lives, is not ready and answers 503 while the API server cannot be reached', async () => {
    await using files = await programFiles();
    await using program = startProgramProcess(main, {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_KUBECONFIG: files.at('kubeconfig'),
    });
    const { port } = await program.listening;

    assert.equal((await program.probe('/healthz')).status, 200);
    const { status, body } = await program.probe('/readyz');
    assert.equal(status, 503);
    assert.match(body['reason'] ?? '', /listed/);
    const answer = await fetch(`http://127.0.0.1:${port}/hello`, {
      headers: { host: 'alice.fn.example.org' },
    });
    assert.equal(answer.status, 503);
    assert.equal(await program.end('SIGTERM'), 0);
  });

  it('starts again after it was killed', async () => {
    await using files = await programFiles();
    const env = {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_KUBECONFIG: files.at('kubeconfig'),
    };
    await using first = startProgramProcess(main, env);
    await first.listening;
    assert.equal(await first.end('SIGKILL'), 'SIGKILL');
    await using second = startProgramProcess(main, env);

    assert.equal((await second.probe('/healthz')).status, 200);
  });
});
