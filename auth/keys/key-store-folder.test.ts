import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { createKeyRing } from './key-ring.ts';
import { describeKeyStore } from './key-store.contract.ts';
import { createFolderKeyStore } from './key-store-folder.ts';

const root = await mkdtemp(join(tmpdir(), 'towline-keys-'));
after(() => rm(root, { recursive: true, force: true }));
let next = 0;
const newFolder = () => join(root, String(next++));

describeKeyStore('a folder', async () => {
  const folder = newFolder();
  const make = () => createFolderKeyStore({ folder, clock: () => 1_000 });
  return { store: make(), other: make() };
});

it('a folder of keys is readable by its owner only, also after somebody widened it', async () => {
  const folder = newFolder();
  const store = createFolderKeyStore({ folder, clock: () => 1_000 });
  await store.keys();
  const [name] = await readdir(folder);
  const mode = async (path: string) => (await stat(path)).mode & 0o777;
  assert.equal(await mode(folder), 0o700);
  assert.equal(await mode(join(folder, name!)), 0o600);

  await chmod(join(folder, name!), 0o644);
  await store.keys();

  assert.equal(await mode(join(folder, name!)), 0o600);
});

it('a folder of keys says which file is spoilt, and never replaces it silently', async () => {
  const folder = newFolder();
  const store = createFolderKeyStore({ folder, clock: () => 1_000 });
  await store.keys();
  const [name] = await readdir(folder);
  await writeFile(join(folder, name!), '{"kty":"EC"');

  await assert.rejects(
    store.keys(),
    (error) =>
      error instanceof TowlineError && error.code === 'data_folder_unusable' && error.message.includes(name!),
  );
});

it('a key ring reads the store again after 30 s, keeps the last good keys, and asks once for many callers', async () => {
  let now = 0;
  let reads = 0;
  let broken = false;
  const store = createFolderKeyStore({ folder: newFolder(), clock: () => now });
  const ring = createKeyRing(
    {
      ...store,
      keys: async () => {
        reads++;
        if (broken) throw new Error('the disk is away');
        return await store.keys();
      },
    },
    () => now,
  );
  const first = await ring.current();
  const second = await store.rotate();

  await Promise.all(Array.from({ length: 20 }, () => ring.find('unknown')));
  assert.equal(reads, 1);
  assert.equal(await ring.find(second.kid), undefined);

  now = 30_000;
  await Promise.all(Array.from({ length: 20 }, () => ring.find('unknown')));
  assert.equal(reads, 2);
  assert.equal((await ring.current()).kid, second.kid);

  broken = true;
  now = 90_000;
  assert.equal((await ring.find(first.kid))?.kid, first.kid);
});
