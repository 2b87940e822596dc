import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { runProcess } from '../../runtime/run-process.ts';
import { contextDigest } from './context-digest.ts';

/** What a path of a context is. */
type Entry =
  | { kind: 'file'; content: string; executable: boolean }
  | { kind: 'folder' }
  | { kind: 'link'; target: string };
type Tree = Record<string, Entry>;

const name = fc.constantFrom('a', 'b', 'aa', 'é', ' ', '-', 'd', 'f', 'x', 'Dockerfile');
const leaf: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    content: fc.constantFrom('', 'a', 'b', 'fa', '/', 'd\0\0\0\u0001a/', 'x'.repeat(300_000)),
    executable: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('folder' as const) }),
  fc.record({ kind: fc.constant('link' as const), target: fc.constantFrom('a', 'b', '../a', 'nowhere') }),
);

/** Paths below a file or a link cannot be: they are left out. */
const tree = fc.dictionary(
  fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
  leaf,
  {
    maxKeys: 6,
  },
);

function possible(wanted: Tree): Tree {
  const kept: Tree = {};
  for (const path of Object.keys(wanted).sort((a, b) => a.length - b.length)) {
    const parents = path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'));
    if (parents.some((parent) => parent !== '' && (kept[parent]?.kind ?? 'folder') !== 'folder')) continue;
    for (const parent of parents) if (parent !== '') kept[parent] = { kind: 'folder' };
    kept[path] ??= wanted[path]!;
  }
  const paths = Object.keys(kept).sort();
  return Object.fromEntries(paths.map((path) => [path, kept[path]!]));
}

describe('the digest of a build context', () => {
  let dir: string;
  let count = 0;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-digest-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  async function write(files: Tree, order: (a: string, b: string) => number): Promise<string> {
    count += 1;
    const root = join(dir, String(count));
    await mkdir(root);
    for (const path of Object.keys(files).sort(order)) {
      const entry = files[path]!;
      await mkdir(dirname(join(root, path)), { recursive: true });
      if (entry.kind === 'folder') await mkdir(join(root, path), { recursive: true });
      else if (entry.kind === 'link') await symlink(entry.target, join(root, path));
      else {
        await writeFile(join(root, path), entry.content);
        await chmod(join(root, path), entry.executable ? 0o755 : 0o640);
        await utimes(join(root, path), count, count);
      }
    }
    return root;
  }

  const upwards = (a: string, b: string) => (a < b ? -1 : 1);
  const downwards = (a: string, b: string) => -upwards(a, b);

  it('is the same if and only if the trees are, whatever the order and the time of writing', async () => {
    await fc.assert(
      fc.asyncProperty(tree, tree, async (left, right) => {
        const [one, other] = [possible(left), possible(right)];
        const isSame = JSON.stringify(one) === JSON.stringify(other);
        const digest = await contextDigest(await write(one, upwards));
        assert.match(digest, /^sha256:[0-9a-f]{64}$/);
        assert.equal(digest, await contextDigest(await write(one, downwards)));
        assert.equal(digest === (await contextDigest(await write(other, upwards))), isSame);
      }),
      { numRuns: 60 },
    );
  });

  it('changes with any single input', async () => {
    const base: Tree = {
      'a/run': { kind: 'file', content: 'x', executable: false },
      'a/link': { kind: 'link', target: 'run' },
    };
    const changed: Tree[] = [
      base,
      { ...base, 'a/run': { kind: 'file', content: 'y', executable: false } },
      { ...base, 'a/run': { kind: 'file', content: 'x', executable: true } },
      { ...base, 'a/link': { kind: 'link', target: 'other' } },
      { ...base, 'a/link': { kind: 'file', content: 'run', executable: false } },
      { ...base, b: { kind: 'folder' } },
      { 'b/run': base['a/run']!, 'b/link': base['a/link']! },
      { run: base['a/run']!, 'a/link': base['a/link']! },
      { 'a/link': base['a/link']! },
    ];
    const digests = await Promise.all(
      changed.map(async (files) => contextDigest(await write(files, upwards))),
    );
    assert.equal(new Set(digests).size, changed.length);
  });

  it('tells names apart that are not UTF-8', async () => {
    const digests = [];
    for (const byte of [0xfe, 0xff]) {
      const root = await write({}, upwards);
      await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([byte])]), 'x');
      digests.push(await contextDigest(root));
    }
    assert.notEqual(digests[0], digests[1]);
  });

  it('refuses what is neither file, folder nor link, without waiting for its other end', async () => {
    const root = await write({}, upwards);
    const made = await runProcess({
      command: 'mkfifo',
      args: [join(root, 'pipe')],
      cwd: root,
      env: { PATH: process.env['PATH']! },
      timeoutMs: 10_000,
    });
    assert.equal(made.exitCode, 0);
    await assert.rejects(contextDigest(root), { code: 'build_failed', message: /"pipe" is neither/ });
  });
});
