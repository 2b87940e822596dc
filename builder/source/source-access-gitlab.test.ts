import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { createRepository } from '../pipeline/platform-in-memory.test.ts';
import { refHead } from './branch-head.ts';
import { createSourceAccessByForge } from './source-access-by-forge.ts';
import { createGitLabSourceAccess } from './source-access-gitlab.ts';

const path = process.env['PATH'] ?? '';
const never = new AbortController().signal;
const gitlab = { scm: 'gitlab' } as const;

describe('repositories on GitLab', () => {
  it('are fetched with the token of the longest path they lie below, read anew each time', async () => {
    const root = mkdtempSync(join(tmpdir(), 'towline-gitlab-'));
    const shop = createRepository(root, 'acme/tools', 'shop');
    shop.commit({ 'a.txt': 'one' });
    const seen: string[] = [];
    await using server = await startGitHttpServer({
      ...{ root, path },
      allows: (user, password) => {
        seen.push(`${user}:${password}`);
        return password.startsWith('glpat-');
      },
    });
    const file = (name: string, token: string) => {
      writeFileSync(join(root, name), `${token}\n`);
      return join(root, name);
    };
    const access = createGitLabSourceAccess({
      ...{ webUrl: server.url, path },
      tokens: [
        { path: 'acme', file: file('group', 'glpat-group') },
        { path: 'acme/tools/', file: file('tools', 'glpat-tools') },
        { path: 'acme/tool', file: file('other', 'glpat-other') },
      ],
    });
    const repository = { ...shop.repository, cloneUrl: `${server.url}/acme/tools/shop` };
    const headOf = async () =>
      refHead({ location: await access.locate(repository, gitlab), path }, 'refs/heads/main', never);
    assert.equal(await headOf(), shop.head());
    file('tools', 'glpat-rotated');
    assert.equal(await headOf(), shop.head());
    assert.deepEqual([...new Set(seen)], ['oauth2:glpat-tools', 'oauth2:glpat-rotated']);

    file('tools', 'two words');
    await assert.rejects(headOf(), { code: 'remote_unavailable' });
    const anonymous = await access.locate({ ...repository, cloneUrl: `${server.url}/else/shop` }, gitlab);
    assert.ok(!JSON.stringify(anonymous).includes('Authorization'));
    for (const cloneUrl of ['https://evil.net/acme/tools/shop', `${server.url}/`]) {
      await assert.rejects(access.locate({ ...repository, cloneUrl }, gitlab), {
        code: 'source_unavailable',
      });
    }
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  });

  it('are not served where no GitLab is configured', async () => {
    const access = createSourceAccessByForge({ git: undefined });
    const { repository } = { repository: { owner: 'a', name: 'b' } as never };
    await assert.rejects(access.locate(repository, gitlab), { code: 'source_unavailable' });
    for await (const _ of access.heads(() => true, { known: [], signal: never })) assert.fail();
  });
});
