import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describeBuildSecrets } from './build-secrets.contract.ts';
import { createFolderBuildSecrets } from './build-secrets-folder.ts';

function put(dir: string, ownerId: string, name: string, value: string): void {
  mkdirSync(join(dir, ownerId), { recursive: true });
  writeFileSync(join(dir, ownerId, name), value, { mode: 0o600 });
}

describeBuildSecrets('folder', () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-secrets-'));
  return {
    secrets: createFolderBuildSecrets(dir),
    put: (ownerId, name, value) => put(dir, ownerId, name, value),
    dispose: () => rmSync(dir, { recursive: true }),
  };
});

describe('a folder of build secrets', () => {
  it("reads what Kubernetes mounts, leaves a file's last line end out, and takes a folder for no secret", async () => {
    const dir = mkdtempSync(join(tmpdir(), 'towline-secrets-'));
    try {
      const data = join(dir, 'o1', '..2026_11_22');
      mkdirSync(data, { recursive: true });
      writeFileSync(join(data, 'token'), 'mounted value\n');
      symlinkSync('..2026_11_22', join(dir, 'o1', '..data'));
      symlinkSync('..data/token', join(dir, 'o1', 'token'));
      mkdirSync(join(dir, 'o1', 'folder'));
      const secrets = createFolderBuildSecrets(dir);
      assert.equal(await secrets.value('o1', 'token'), 'mounted value');
      assert.equal(await secrets.value('o1', 'folder'), undefined);
      assert.equal(await createFolderBuildSecrets(join(dir, 'none')).value('o1', 'token'), undefined);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
