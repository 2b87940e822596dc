import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { createLogger } from '../runtime/logger.ts';
import { createGitOpsFixture } from './apply/gitops-fixture.ts';
import { createFolderShelf } from './artifact-shelf.ts';
import { type ArtifactSweepConfig, type ArtifactSweepDeps, createArtifactSweep } from './artifact-sweep.ts';

const searchPath = process.env['PATH'] ?? '';
const hex = (id: number | string) => String(id).padStart(64, '0');
const image = (id: number | string) => `artifact.towline.internal/alice/site-hello:latest@sha256:${hex(id)}`;
const manifest = (id: number | string) => `spec:\n  image: ${image(id)}\n`;

describe('sweep of artifacts', () => {
  const open: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  async function bench() {
    const dir = await mkdtemp(path.join(tmpdir(), 'towline-sweep-'));
    open.push(() => rm(dir, { recursive: true, force: true }));
    const artifactsDir = path.join(dir, 'artifacts');
    await mkdir(artifactsDir);
    const gitops = await createGitOpsFixture(dir, searchPath);
    return {
      gitops,
      artifactsDir,
      async store(id: number | string, ageMs = 7_200_000) {
        const folder = path.join(artifactsDir, hex(id));
        await mkdir(path.join(folder, 'root'), { recursive: true });
        await writeFile(path.join(folder, 'artifact.json'), '{}');
        const time = new Date(Date.now() - ageMs);
        await utimes(folder, time, time);
      },
      stored: async () => (await readdir(artifactsDir)).map((name) => name.replace(/^0+/, '')).sort(),
      sweeper(options: Partial<ArtifactSweepConfig> = {}, deps: Partial<ArtifactSweepDeps> = {}) {
        const sweep = createArtifactSweep(
          { gitopsPath: gitops.gitopsPath, path: searchPath, ...options },
          {
            shelf: createFolderShelf(artifactsDir),
            logger: createLogger({ level: 'silent', name: 'test' }),
            ...deps,
          },
        );
        open.push(() => Promise.resolve(sweep[Symbol.asyncDispose]()));
        return sweep;
      },
    };
  }

  it('keeps what manifests name, each function’s last versions and what is new; removes the rest', async () => {
    const { gitops, store, stored, sweeper } = await bench();
    for (const id of [1, 2, 3, 4, 5, 6, 7, 8]) await store(id);
    await store(9, 60_000);
    await gitops.commit({ 'tenants/alice/quiet.yaml': manifest(1), 'tenants/bob/gone.yaml': manifest(2) });
    for (const id of [3, 4, 5, 6]) await gitops.commit({ 'tenants/alice/hello.yaml': manifest(id) });
    await gitops.commit({ 'tenants/bob/gone.yaml': null, 'README.md': `not a manifest: ${image(7)}\n` });
    await gitops.commit({ 'README.md': 'nothing\n' });
    assert.equal(await sweeper({ keepPerFunction: 2 }).sweep(), 4);
    assert.deepEqual(await stored(), ['1', '2', '5', '6', '9']);
  });

  it('keeps the version that a revert brought back, and that of a merged branch', async () => {
    const { gitops, store, stored, sweeper } = await bench();
    for (const id of [1, 2, 3, 4]) await store(id);
    await gitops.commit({ 'tenants/alice/hello.yaml': manifest(1) });
    for (const id of [2, 3]) await gitops.commit({ 'tenants/alice/hello.yaml': manifest(id) });
    await gitops.git('checkout', '-q', '-b', 'side');
    await gitops.commit({ 'tenants/alice/side.yaml': manifest(4) });
    await gitops.git('checkout', '-q', 'main');
    await gitops.commit({ 'tenants/alice/hello.yaml': manifest(1) });
    await gitops.git('merge', '-q', '--no-ff', '--no-edit', 'side');
    await gitops.git('push', '-q', 'origin', 'main');
    assert.equal(await sweeper({ keepPerFunction: 1 }).sweep(), 2);
    assert.deepEqual(await stored(), ['1', '4']);
  });

  it('keeps what runs, whatever the repository says', async () => {
    const { gitops, store, stored, sweeper } = await bench();
    for (const id of [1, 2]) await store(id);
    await gitops.commit({ 'tenants/alice/hello.yaml': 'spec: {}\n' });
    await sweeper({}, { imagesInUse: () => [image(1), 'no digest'] }).sweep();
    assert.deepEqual(await stored(), ['1']);
  });

  it('takes a line of a manifest for what it is, though it looks like the heading of another', async () => {
    const { gitops, store, stored, sweeper } = await bench();
    for (const id of [1, 2]) await store(id);
    await gitops.commit({ 'tenants/bob/fn.yaml': manifest(1) });
    await gitops.commit({ 'tenants/bob/fn.yaml': 'spec: {}\n' });
    const posing = `++ b/tenants/bob/fn.yaml\n@@ -1 +1 @@\n${manifest(2)}`;
    await gitops.commit({ 'tenants/alice/evil.yaml': posing });
    await gitops.commit({ 'tenants/alice/evil.yaml': 'spec: {}\n' });
    await sweeper({ keepPerFunction: 1 }).sweep();
    assert.deepEqual(await stored(), ['1', '2']);
  });

  it('reads the manifests again once they have changed', async () => {
    const { gitops, store, stored, sweeper } = await bench();
    await store(1);
    await gitops.commit({ 'tenants/alice/hello.yaml': manifest(1) });
    const sweep = sweeper({ keepPerFunction: 1 });
    assert.equal(await sweep.sweep(), 0);
    await gitops.commit({ 'tenants/alice/hello.yaml': manifest(2) });
    await store(2);
    assert.equal(await sweep.sweep(), 1);
    assert.deepEqual(await stored(), ['2']);
  });

  it('removes nothing when there is no branch or no readable repository', async () => {
    const { artifactsDir, store, stored, sweeper } = await bench();
    await store(1);
    assert.equal(await sweeper().sweep(), 0);
    assert.equal(await sweeper({ gitopsPath: artifactsDir }).sweep(), 0);
    assert.equal(await sweeper({ path: '/nonexistent' }).sweep(), 0);
    assert.deepEqual(await stored(), ['1']);
    assert.equal(await sweeper({}, { shelf: createFolderShelf('/nonexistent') }).sweep(), 0);
  });

  it('finishes interrupted removals and leaves alone what is not an artifact', async () => {
    const { artifactsDir, stored, sweeper } = await bench();
    await mkdir(path.join(artifactsDir, `.removing-${hex(1)}-x`, 'root'), { recursive: true });
    await mkdir(path.join(artifactsDir, '.new-1'));
    await writeFile(path.join(artifactsDir, 'notes'), '');
    await sweeper().sweep();
    assert.deepEqual(await stored(), ['.new-1', 'notes']);
  });

  it('sweeps by itself, and no more once it is disposed', async () => {
    const { gitops, artifactsDir, store, stored, sweeper } = await bench();
    await gitops.commit({ 'tenants/alice/hello.yaml': manifest(1) });
    await store(2);
    const sweep = sweeper({ firstAfterMs: 1, everyMs: 1 });
    while ((await stored()).length > 0) await new Promise(setImmediate);
    await store(3);
    while ((await stored()).length > 0) await new Promise(setImmediate);
    await sweep[Symbol.asyncDispose]();
    await store(4);
    assert.equal(await sweep.sweep(), 0);
    assert.deepEqual(await readdir(artifactsDir), [hex(4)]);
  });
});
