import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { keptSecret } from '../runtime/kept-secret.ts';
import { openDataFolder } from './data-folder.ts';

describe('files that outlive a start', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'towline-kept-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('keep a secret, readable by its user alone', () => {
    const file = join(dir, 'secret');
    const secret = keptSecret(file);

    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(keptSecret(file), secret);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  for (const broken of ['', 'abc', '\0'.repeat(64)]) {
    it(`make a secret anew that a power cut left as ${JSON.stringify(broken.slice(0, 5))}`, () => {
      const file = join(dir, 'broken');
      writeFileSync(file, broken);

      assert.match(keptSecret(file), /^[0-9a-f]{64}$/);
      assert.equal(readFileSync(file, 'utf8').trim(), keptSecret(file));
    });
  }

  it('lock the data folder for one platform, and unlock it', () => {
    const data = join(dir, 'a', 'b', 'data');
    {
      using first = openDataFolder(data);
      first.announce('http://localhost:1');
      assert.throws(
        () => openDataFolder(data),
        (error) =>
          error instanceof TowlineError &&
          error.code === 'data_folder_unusable' &&
          error.message.includes('http://localhost:1'),
      );
    }
    openDataFolder(data)[Symbol.dispose]();
  });

  it('say so where no folder can be made', () => {
    assert.throws(
      () => openDataFolder('/dev/null/data'),
      (error) => error instanceof TowlineError && error.code === 'data_folder_unusable',
    );
  });
});
