import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { startGitHubDouble } from '../../test/forges/github-double.ts';
import { createGitHubApp } from '../github/github-app.ts';
import { createRepository, type TestRepository } from '../pipeline/platform-in-memory.test.ts';
import { refHead } from './branch-head.ts';
import { createGitHubSourceAccess } from './source-access-github.ts';

const path = process.env['PATH'] ?? '';
const never = new AbortController().signal;
const main = 'refs/heads/main';

async function createForge() {
  const root = mkdtempSync(join(tmpdir(), 'towline-github-'));
  const made = createRepository(root, 'alice', 'shop');
  made.commit({ 'a.txt': 'one' });
  const double = await startGitHubDouble();
  const server = await startGitHttpServer({ root, path, allows: double.allowsGit });
  const options = { name: 'shop', id: 501, private: true };
  const installation = double.install({ login: 'alice' }, [options, { name: 'other', id: 502 }]);
  const app = createGitHubApp({
    ...{ appId: String(double.app.id), privateKey: double.app.privateKey, apiUrl: double.origin },
  });
  const access = createGitHubSourceAccess({ app, webUrl: server.url, path });
  const shop: TestRepository['repository'] = {
    ...made.repository,
    ...{ id: '501', private: true, cloneUrl: `${server.url}/alice/shop` },
  };
  return {
    ...{ double, server, installation, access, shop, head: made.head },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await double[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

describe('repositories on GitHub', () => {
  it('are fetched with a token that reads this one and nothing else, kept until it expires', async () => {
    await using forge = await createForge();
    const origin = { scm: 'github', installationId: String(forge.installation.id) } as const;
    for (let times = 0; times < 3; times += 1) {
      const location = await forge.access.locate(forge.shop, origin);
      assert.equal(location.url, forge.shop.cloneUrl);
      assert.equal(await refHead({ location, path }, main, never), forge.head());
    }
    assert.deepEqual(
      forge.double.state.tokens.map(({ repositoryIds, permissions }) => ({ repositoryIds, permissions })),
      [{ repositoryIds: [501], permissions: { contents: 'read' } }],
    );
    const nobody = { url: forge.shop.cloneUrl, env: {} };
    await assert.rejects(refHead({ location: nobody, path }, main, never), { code: 'remote_unavailable' });
  });

  it('find the installation themselves, also after the App was installed anew', async () => {
    await using forge = await createForge();
    for (const installationId of [undefined, '999']) {
      const location = await forge.access.locate(forge.shop, { scm: 'github', installationId });
      assert.equal(await refHead({ location, path }, main, never), forge.head());
    }
  });

  it('are not served where the App is not installed, and nothing leads elsewhere', async () => {
    await using forge = await createForge();
    const origin = { scm: 'github' } as const;
    const foreign = { ...forge.shop, id: '777', cloneUrl: `${forge.server.url}/eve/shop` };
    for (const repository of [
      foreign,
      { ...forge.shop, cloneUrl: 'https://evil.net/alice/shop' },
      { ...forge.shop, cloneUrl: `${forge.server.url}/alice/shop/more` },
      { ...forge.shop, id: 'alice/shop' },
    ]) {
      await assert.rejects(forge.access.locate(repository, origin), { code: 'source_unavailable' });
    }
    await assert.rejects(forge.access.locate(forge.shop, { scm: 'git' }), { code: 'source_unavailable' });
    assert.equal(forge.double.state.tokens.length, 0);
  });

  it('are waited for while GitHub is away or refuses', async () => {
    await using forge = await createForge();
    forge.installation.suspendedAt = new Date().toISOString();
    const origin = { scm: 'github', installationId: String(forge.installation.id) } as const;
    await assert.rejects(forge.access.locate(forge.shop, origin), { code: 'remote_unavailable' });
  });

  it('give the heads of what is known of them', async () => {
    await using forge = await createForge();
    const known = [{ scm: 'github', repository: forge.shop } as const];
    const found = [];
    for await (const each of forge.access.heads(() => true, { known, signal: never })) found.push(each);
    assert.deepEqual(
      found.map(({ branch, head, scm }) => [branch, head, scm]),
      [['main', forge.head(), 'github']],
    );
  });
});
