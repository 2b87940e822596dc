import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { removeFolder } from './remove-folder.ts';

const nobody = 65_534;

describe('removing a folder that a program had for itself', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(path.join(tmpdir(), 'towline-remove-'));
    // Nothing is closed to root, which tests may run as.
    if (process.getuid?.() !== 0) return;
    await chown(parent, nobody, nobody);
    process.seteuid?.(nobody);
  });
  afterEach(async () => {
    if (process.getuid?.() === 0) process.seteuid?.(0);
    await rm(parent, { recursive: true, force: true });
  });

  it('removes what the program has closed to everybody, however deep', async () => {
    const home = path.join(parent, 'home');
    await mkdir(path.join(home, 'a/b/c'), { recursive: true });
    await writeFile(path.join(home, 'a/b/c/file'), 'x', { mode: 0o400 });
    for (const closed of ['a/b/c', 'a/b', 'a', '.']) await chmod(path.join(home, closed), 0);
    await assert.rejects(rm(home, { recursive: true }), 'what it is for');
    await removeFolder(home);
    assert.equal(existsSync(home), false);
  });

  it('does not follow links out of it', async () => {
    const [home, other] = [path.join(parent, 'home'), path.join(parent, 'other')];
    await mkdir(path.join(home, 'closed'), { recursive: true });
    await mkdir(path.join(home, 'closed', 'full'));
    await mkdir(other);
    await writeFile(path.join(other, 'kept'), 'x');
    await symlink(other, path.join(home, 'link'));
    await chmod(path.join(home, 'closed'), 0);
    await removeFolder(home);
    assert.deepEqual([existsSync(home), existsSync(path.join(other, 'kept'))], [false, true]);
  });

  it('has nothing to do where there is none', async () => {
    await removeFolder(path.join(parent, 'nothing'));
  });
});
