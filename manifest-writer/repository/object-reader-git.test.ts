import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runProcess } from '../../runtime/run-process.ts';
import { createObjectReader } from './object-reader-git.ts';

const maxBytes = 100_000;
const PATH = process.env['PATH'] ?? '';

async function repository(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'towline-objects-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = { PATH, GIT_DIR: folder };
  const git = async (args: string[], input = '') => {
    const ended = await runProcess({
      command: 'git',
      args,
      env,
      input: Buffer.from(input),
      timeoutMs: 10_000,
    });
    assert.equal(ended.exitCode, 0, ended.stderr);
    return ended.stdout.toString('utf8').trim();
  };
  await git(['init', '--quiet', '--bare', folder]);
  const reader = createObjectReader(env, maxBytes);
  t.after(() => reader[Symbol.asyncDispose]());
  return { reader, add: (text: string) => git(['hash-object', '-w', '--stdin'], text) };
}

describe('reading objects', () => {
  it('refuses one that is too large, and nothing that is asked for beside it', async (t) => {
    const { reader, add } = await repository(t);
    const small = await add('small');
    const full = await add('x'.repeat(maxBytes));
    const large = await add('x'.repeat(maxBytes + 1));
    const huge = await add('y'.repeat(3_000_000));
    const none = '0'.repeat(40);
    const read = (id: string) =>
      reader.read(id).then(
        (object) => object?.content.length,
        (error: { code?: string }) => error.code,
      );
    const asked = [small, huge, full, large, none, large, huge, small];
    const expected = [5, 'too_large', maxBytes, 'too_large', undefined, 'too_large', 'too_large', 5];
    assert.deepEqual(await Promise.all(asked.map(read)), expected);
    assert.equal(await read(small), 5);
  });
});
