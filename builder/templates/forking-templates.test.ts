import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createBench, type Files } from './built-function.contract.ts';

describe('the templates that start one process per request', () => {
  let bench: Awaited<ReturnType<typeof createBench>>;
  before(async () => {
    bench = await createBench(process.env['PATH']!);
  });
  after(() => bench[Symbol.asyncDispose]());

  async function run(language: string, files: Files, input: string, env: Record<string, string>) {
    const { artifactDir } = await bench.buildFiles(language, files);
    const { command, environment, mode } = bench.catalog.find(language)!;
    const result = spawnSync(command[0]!, command.slice(1), {
      cwd: join(artifactDir, 'root'),
      env: { PATH: process.env['PATH']!, ...environment, ...env },
      input,
      encoding: 'utf8',
    });
    return { mode, status: result.status, stdout: result.stdout, stderr: result.stderr };
  }

  it('python3 hands standard input to handle(req) and prints its answer', async () => {
    const result = await run(
      'python3',
      {
        'handler.py':
          'import os\ndef handle(req):\n    return os.environ["Http_Method"] + " " + req.upper()\n',
      },
      'häse',
      { Http_Method: 'POST' },
    );
    assert.deepEqual(result, { mode: 'serializing', status: 0, stdout: 'POST HÄSE', stderr: '' });
  });

  it('python3 ends with 1 and a traceback if the handler fails', async () => {
    const result = await run('python3', { 'handler.py': 'def handle(req):\n    return 1 / 0\n' }, '', {});
    assert.deepEqual([result.status, result.stdout], [1, '']);
    assert.match(result.stderr, /ZeroDivisionError/);
  });

  it('bash-streaming connects the script with the request and the answer', async () => {
    const result = await run('bash-streaming', { 'handler.sh': 'echo "$Http_Path"; tr a-z A-Z\n' }, 'body', {
      Http_Path: '/x',
    });
    assert.deepEqual(result, { mode: 'streaming', status: 0, stdout: '/x\nBODY', stderr: '' });
  });

  it('bash-streaming fails the build at a syntax error', async () => {
    await assert.rejects(bench.buildFiles('bash-streaming', { 'handler.sh': 'if true\n' }), {
      code: 'build_failed',
      message: /step check failed.*syntax error/,
    });
  });
});
