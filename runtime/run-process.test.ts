import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { delay } from './lifecycle.ts';
import { runProcess } from './run-process.ts';

const env = { PATH: process.env['PATH'] ?? '' };
const node = (script: string) => ({
  command: process.execPath,
  args: ['-e', script],
  env,
  timeoutMs: 20_000,
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function ends(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(10);
}

const withChild = `const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
process.stdout.write(String(child.pid));`;

describe('running a program', () => {
  it('gives its output and exit code; a failing exit code is a result', async () => {
    const result = await runProcess(
      node(`process.stdout.write('out'); process.stderr.write('err'); process.exit(3)`),
    );

    assert.deepEqual([result.exitCode, result.stdout.toString(), result.stderr], [3, 'out', 'err']);
  });

  it('passes only the environment that is given', async () => {
    const result = await runProcess({
      ...node('process.stdout.write(JSON.stringify(Object.keys(process.env)))'),
      env: { PATH: env.PATH, ONLY: 'this' },
    });

    assert.deepEqual(JSON.parse(result.stdout.toString()).sort(), ['ONLY', 'PATH']);
  });

  it('ends the whole process group at the time limit', async () => {
    const pids: number[] = [];
    const result = await runProcess({
      ...node(`${withChild} setInterval(() => {}, 1000)`),
      timeoutMs: 1_500,
      onOutput: (chunk) => pids.push(Number(chunk.toString())),
    });

    assert.equal(result.timedOut, true);
    assert.ok(pids[0]);
    await ends(pids[0]);
  });

  it('ends what the program left behind', async () => {
    const result = await runProcess(node(withChild));

    await ends(Number(result.stdout.toString()));
  });

  it('rejects with the reason when it is aborted, before and in the middle', async () => {
    const reason = new Error('changed my mind');
    const controller = new AbortController();
    const running = runProcess({
      ...node(`process.stdout.write('up'); setInterval(() => {}, 1000)`),
      signal: controller.signal,
      onOutput: () => controller.abort(reason),
    });

    await assert.rejects(running, reason);
    await assert.rejects(runProcess({ ...node(''), signal: controller.signal }), reason);
  });

  it('rejects a program that says too much, or cannot be started', async () => {
    await assert.rejects(
      runProcess({ ...node(`process.stdout.write('x'.repeat(100_000))`), maxOutputBytes: 1_000 }),
      /more than 1000 bytes/,
    );
    await assert.rejects(runProcess({ ...node(''), command: '/nonexistent/program' }), /ENOENT/);
  });
});
