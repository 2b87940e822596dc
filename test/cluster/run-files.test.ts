import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runFiles } from './run-files.ts';

const signal = new AbortController().signal;

async function run(t: TestContext, texts: Record<string, string>) {
  const dir = await mkdtemp(join(tmpdir(), 'towline-run-files-'));
  t.after(() => rm(dir, { recursive: true }));
  const told: string[] = [];
  const write = (text: string) => void told.push(text);
  const files = Object.keys(texts).map((name) => join(dir, name));
  for (const [name, text] of Object.entries(texts)) await writeFile(join(dir, name), text);
  const env = { PATH: process.env['PATH'] ?? '', DIR: dir };
  const isGood = await runFiles(files, { env, signal, write, atOnce: 2 });
  return { isGood, told: told.join(''), dir };
}

const good = `import { it } from 'node:test';\nit('is good', () => {});\n`;

describe('running test files', () => {
  it('is good if every file is', async (t) => {
    const { isGood, told } = await run(t, { 'a.mjs': good, 'b.mjs': good });
    assert.equal(isGood, true, told);
    assert.match(told, /# 2 files, 2 tests in \d+ s: all good\n$/);
  });

  it('fails for a test that fails, a file that ends before it tells of one, and one that is killed', async (t) => {
    const { isGood, told, dir } = await run(t, {
      'bad.mjs': good.replace('{}', '{ throw new Error("this one") }'),
      'empty.mjs': 'process.exit(0);\n',
      'killed.mjs': `${good}process.kill(process.pid, 'SIGKILL');\n`,
      'last.mjs': good,
    });
    assert.equal(isGood, false);
    assert.match(told, /this one/);
    assert.match(told, /# good: \S+last\.mjs: 1 tests/);
    const [, failed = ''] = /: FAILED: (.*)\n$/.exec(told) ?? [];
    const names = ['bad', 'empty', 'killed'].map((name) => join(dir, `${name}.mjs`));
    assert.deepEqual(failed.split(' ').sort(), names);
  });

  it('runs those that use a Docker Engine one after the other', async (t) => {
    const text = `import { appendFileSync } from 'node:fs';
import { it } from 'node:test';
// import { startDockerd } from '../containers/dockerd.ts';
const log = (word) => appendFileSync(process.env.DIR + '/log', word);
it('is alone', async () => {
  log('(');
  await new Promise((resolve) => setTimeout(resolve, 100));
  log(')');
});
`;
    const { isGood, told, dir } = await run(t, { 'a.mjs': text, 'b.mjs': text, 'c.mjs': text });
    assert.equal(isGood, true, told);
    assert.equal(await readFile(join(dir, 'log'), 'utf8'), '()()()');
  });
});
