import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runProcess } from '../../runtime/run-process.ts';
import { gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { openGitRepository } from '../repository/manifest-repository-git.ts';
import { packTenant } from './tenant-archive.ts';

async function repositoryWith(t: TestContext, files: Record<string, string>) {
  const fixture = await gitopsFixture(t);
  const person = await fixture.person();
  async function commit(changes: Record<string, string>): Promise<string> {
    for (const [name, text] of Object.entries(changes)) {
      await mkdir(join(person.path, name, '..'), { recursive: true });
      await writeFile(join(person.path, name), text);
    }
    await symlink('/etc/passwd', join(person.path, 'tenants/alice/link.yaml')).catch(() => {});
    await person.git('add', '-A');
    await person.git('commit', '--quiet', '-m', 'change');
    await person.git('push', '--quiet', 'origin', 'HEAD');
    return (await person.git('rev-parse', 'HEAD')).trim();
  }
  const head = await commit(files);
  const repository = await openGitRepository({
    ...{ remoteUrl: fixture.remote, clonePath: join(fixture.folder, 'clone.git'), branch: 'main' },
    ...{ searchPath, remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
  });
  t.after(() => repository[Symbol.asyncDispose]());
  return { repository, head, commit, folder: fixture.folder };
}

const files = {
  'tenants/alice/hello.yaml': 'kind: Function\n',
  'tenants/alice/tenant.yaml': 'kind: ConfigMap\n',
  'tenants/bob/hello.yaml': 'kind: Other\n',
};

describe("a tenant's archive", () => {
  it('holds the files of its folder at the commit, as tar reads them', async (t) => {
    const { repository, head, folder } = await repositoryWith(t, files);
    const { content } = await packTenant(repository, head, 'tenants/alice');
    const out = join(folder, 'out');
    await mkdir(out);
    const args = ['-xzf', '-', '-C', out];
    const env = { PATH: searchPath };
    const { exitCode } = await runProcess({ command: 'tar', args, env, input: content, timeoutMs: 10_000 });
    assert.equal(exitCode, 0);
    assert.deepEqual((await readdir(out)).sort(), ['hello.yaml', 'tenant.yaml']);
    assert.equal(await readFile(join(out, 'hello.yaml'), 'utf8'), 'kind: Function\n');
  });

  it('is the same, byte for byte, as long as the folder is', async (t) => {
    const { repository, head, commit } = await repositoryWith(t, files);
    const before = await packTenant(repository, head, 'tenants/alice');
    const later = await commit({ 'tenants/bob/hello.yaml': 'kind: Changed\n' });
    await repository.refresh();
    const after = await packTenant(repository, later, 'tenants/alice');
    assert.deepEqual(after.content, before.content);
    const other = await commit({ 'tenants/alice/hello.yaml': 'kind: Changed\n' });
    await repository.refresh();
    assert.notEqual((await packTenant(repository, other, 'tenants/alice')).digest, before.digest);
  });

  it("leaves out what would be kustomize's or Flux's own instructions", async (t) => {
    const { repository, head } = await repositoryWith(t, {
      ...files,
      'tenants/alice/kustomization.yaml': 'resources: [../../bob/hello.yaml]\n',
      'tenants/alice/Kustomization': 'x\n',
      'tenants/alice/deep/.sourceignore': '*\n',
    });
    const { leftOut } = await packTenant(repository, head, 'tenants/alice');
    assert.deepEqual(leftOut.sort(), [
      'tenants/alice/Kustomization',
      'tenants/alice/deep/.sourceignore',
      'tenants/alice/kustomization.yaml',
    ]);
  });

  it('is empty for a folder that is gone', async (t) => {
    const { repository, head } = await repositoryWith(t, files);
    const gone = await packTenant(repository, head, 'tenants/nobody');
    assert.equal(gone.content.length < 200, true);
    assert.match(gone.digest, /^sha256:[0-9a-f]{64}$/);
  });
});
