import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { makeFolder } from './make-folder.ts';

async function home(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'towline-folder-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('a folder that is made', () => {
  it('is its owner’s alone, and so are those above it; twice is as good as once', async (t) => {
    const dir = await home(t);
    for (let times = 0; times < 2; times++) makeFolder(join(dir, 'a', 'b'));
    for (const one of ['a', 'a/b']) assert.equal((await stat(join(dir, one))).mode & 0o777, 0o700);
  });

  it('is refused at once where a file system takes none, and below a file', async (t) => {
    assert.throws(() => makeFolder('/proc/towline/data'), { code: 'ENOENT' });
    const dir = await home(t);
    await writeFile(join(dir, 'file'), '');
    assert.throws(() => makeFolder(join(dir, 'file')), { code: 'EEXIST' });
    assert.throws(() => makeFolder(join(dir, 'file', 'deeper')), { code: /EEXIST|ENOTDIR/ });
    assert.deepEqual(await readdir(dir), ['file']);
  });
});
