import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { plainRelativePath, resolveInside } from './repository-path.ts';

describe('a path from a repository', () => {
  it('is made plain', () => {
    const cases = { a: 'a', './a/': 'a', 'a//b/./c': 'a/b/c', '.': '.', './': '.', 'a b/ä..': 'a b/ä..' };
    for (const [text, plain] of Object.entries(cases)) assert.equal(plainRelativePath(text), plain);
  });

  it('is refused if it could lead anywhere else', () => {
    for (const text of ['', '/', '/a', '..', 'a/..', 'a/../b', 'a\\b', 'a\0b', 'a\nb']) {
      assert.equal(plainRelativePath(text), undefined, JSON.stringify(text));
    }
  });
});

describe('resolving inside a root', () => {
  let dir: string;
  let root: string;
  beforeEach(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), 'towline-path-')));
    root = join(dir, 'root');
    await mkdir(join(root, 'a/b'), { recursive: true });
    await writeFile(join(root, 'a/b/file'), '');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('follows links that stay inside, through folders too', async () => {
    await symlink('a/b', join(root, 'short'));
    await symlink('../short/file', join(root, 'a/link'));
    assert.deepEqual(await resolveInside(root, 'a/link'), {
      found: true,
      path: join(root, 'a/b/file'),
      segments: ['a', 'b', 'file'],
    });
  });

  it('says why a path leads to nothing', async () => {
    await symlink('round', join(root, 'round'));
    await symlink('/etc/passwd', join(root, 'absolute'));
    await symlink('absolute', join(root, 'chained'));
    await symlink('a/../../root/a', join(root, 'out-and-in'));
    await symlink('.git/config', join(root, 'config'));
    const whys = {
      missing: ['nothing', 'a/b/file/x', `a/${'n'.repeat(300)}`],
      loops: ['round'],
      escapes: ['absolute', 'chained', 'out-and-in', '../x'],
      git: ['config', '.git', 'a/.GIT/x'],
    };
    for (const [why, paths] of Object.entries(whys)) {
      for (const path of paths)
        assert.deepEqual(await resolveInside(root, path), { found: false, why }, path);
    }
  });

  it('never gives a path outside, whatever links and paths there are', async () => {
    await writeFile(join(dir, 'secret'), '');
    const segment = fc.constantFrom('a', 'b', 'l0', 'l1', 'l2', '..', '.', 'file', 'secret', 'root');
    const target = fc
      .tuple(fc.constantFrom('', '', '/', `${dir}/`), fc.array(segment, { minLength: 1, maxLength: 5 }))
      .map(([start, segments]) => start + segments.join('/'));
    const place = fc.constantFrom('.', 'a', 'a/b');
    const links = fc.array(fc.tuple(place, target), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(links, target, async (made, path) => {
        const paths = made.map(([folder], index) => join(root, folder, `l${index}`));
        for (const [index, [, to]] of made.entries()) await symlink(to, paths[index]!);
        try {
          const resolved = await resolveInside(root, path);
          if (!resolved.found) return;
          assert.equal(await realpath(resolved.path), resolved.path);
          assert.ok(!relative(root, resolved.path).startsWith('..'), resolved.path);
        } finally {
          for (const link of paths) await rm(link);
        }
      }),
      { numRuns: 150 },
    );
  });
});
