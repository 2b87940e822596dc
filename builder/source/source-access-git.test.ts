import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { type GitHttpServer, startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { makeKey, startSshServer } from '../../manifest-writer/repository/sshd-fixture.ts';
import { createRepository, type TestRepository } from '../pipeline/platform-in-memory.test.ts';
import { refHead } from './branch-head.ts';
import { fetchCommit } from './fetch-commit.ts';
import type { KnownRepository } from './source-access.ts';
import { createGitSourceAccess } from './source-access-git.ts';

const path = process.env['PATH'] ?? '';
const never = new AbortController().signal;
const git = { scm: 'git' } as const;
const head = 'refs/heads/main';

interface Host extends AsyncDisposable {
  root: string;
  server: GitHttpServer;
  shop: TestRepository;
  /** As the event of a push names it. */
  named: (cloneUrl: string) => TestRepository['repository'];
  credentials: (host: string, files: Record<string, string>) => string;
}

async function createHost(allows?: (username: string, password: string) => boolean): Promise<Host> {
  const root = mkdtempSync(join(tmpdir(), 'towline-sources-'));
  const shop = createRepository(root, 'alice', 'shop');
  shop.commit({ 'a.txt': 'one' });
  const server = await startGitHttpServer({ root, path, allows });
  return {
    root,
    server,
    shop,
    named: (cloneUrl) => ({ ...shop.repository, cloneUrl }),
    credentials(host, files) {
      for (const [name, text] of Object.entries(files)) {
        const file = join(root, 'credentials', host, name);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text, { mode: 0o600 });
      }
      return join(root, 'credentials');
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

describe('plain git on configured hosts', () => {
  it('fetches with the credentials of the host, read anew each time', async () => {
    let password = 'first';
    await using host = await createHost((user, given) => user === 'robot' && given === password);
    const name = `127.0.0.1_${host.server.port}`;
    const credentialsDir = host.credentials(name, { username: 'robot\n', password: 'first\n' });
    const access = createGitSourceAccess({ hosts: [host.server.url], credentialsDir, path });
    const repository = host.named(`${host.server.url}/alice/shop/.git`.replace('/.git', ''));
    const fetchIt = async (dir: string) => {
      const location = await access.locate(repository, git);
      assert.ok(!location.url.includes('robot') && !location.url.includes('first'));
      const source = { location, path };
      const commit = host.shop.head();
      await fetchCommit({
        ...{ source, ref: head, commit, dir: join(host.root, dir) },
        ...{ maxBytes: 1e6, timeoutMs: 20_000, signal: never },
      });
    };
    await fetchIt('one');
    password = 'second';
    await assert.rejects(fetchIt('two'), { code: 'remote_unavailable' });
    host.credentials(name, { password: 'second' });
    await fetchIt('three');
  });

  it('sends nothing to a host that only a payload names', async () => {
    await using evil = await createHost();
    await using host = await createHost();
    const credentialsDir = host.credentials(`127.0.0.1_${host.server.port}`, {
      username: 'robot',
      password: 'hidden-word',
    });
    const access = createGitSourceAccess({ hosts: [host.server.url], credentialsDir, path });
    for (const cloneUrl of [
      `${evil.server.url}/alice/shop`,
      `${host.server.url}@127.0.0.1:${evil.server.port}/alice/shop`,
      `${host.server.url}.evil.net/alice/shop`,
      `file://${host.root}/alice/shop`,
      `${host.server.url}/../alice/shop`,
    ]) {
      await assert.rejects(access.locate(host.named(cloneUrl), git), { code: 'source_unavailable' });
    }
    assert.equal(evil.server.requests.length, 0);
  });

  it('does not follow a host that leads elsewhere, and its credentials are bound to it', async () => {
    await using evil = await createHost();
    const redirecting = createServer((request, response) => {
      response.writeHead(302, { location: `${evil.server.url}${request.url}` }).end();
    });
    redirecting.listen(0, '127.0.0.1');
    await once(redirecting, 'listening');
    const { port } = redirecting.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const credentialsDir = evil.credentials(`127.0.0.1_${port}`, { password: 'hidden-word' });
    const access = createGitSourceAccess({ hosts: [url], credentialsDir, path });
    const location = await access.locate(evil.named(`${url}/alice/shop`), git);
    await assert.rejects(refHead({ location, path }, head, never), { code: 'remote_unavailable' });
    redirecting.close();
    assert.equal(evil.server.requests.length, 0);
    const elsewhere = { ...location, url: `${evil.server.url}/alice/shop` };
    assert.equal(await refHead({ location: elsewhere, path }, head, never), evil.shop.head());
    assert.deepEqual([...new Set(evil.server.requests.map((each) => each.authorization))], [undefined]);
  });

  it('never sends credentials in the clear to another machine', async () => {
    await using host = await createHost();
    const credentialsDir = host.credentials('git.example.org', { password: 'x' });
    const access = createGitSourceAccess({ hosts: ['http://git.example.org'], credentialsDir, path });
    await assert.rejects(access.locate(host.named('http://git.example.org/alice/shop'), git), {
      code: 'config_invalid',
    });
  });

  it('gives the heads of known repositories, their default branch too, and leaves out what is away', async () => {
    await using host = await createHost();
    const unreachable: string[] = [];
    const access = createGitSourceAccess({
      ...{ hosts: [host.server.url], path },
      onUnreachable: ({ repository }) => void unreachable.push(repository.id),
    });
    const repository = { ...host.named(`${host.server.url}/alice/shop`), defaultBranch: 'former' };
    const known: KnownRepository[] = [
      { scm: 'git', repository: { ...host.named(`${host.server.url}/alice/gone`), id: 'gone' } },
      { scm: 'git', repository: { ...host.named('https://evil.net/alice/shop'), id: 'foreign' } },
      { scm: 'git', repository },
      { scm: 'github', repository: { ...repository, id: 'other-forge' } },
    ];
    const found = [];
    const isDefault = (each: { defaultBranch: string }, branch: string) => branch === each.defaultBranch;
    for await (const each of access.heads(isDefault, { known, signal: never })) found.push(each);
    assert.deepEqual(
      found.map((each) => [
        each.repository.id,
        each.repository.defaultBranch,
        each.branch,
        each.head,
        each.scm,
      ]),
      [[repository.id, 'main', 'main', host.shop.head(), 'git']],
    );
    assert.deepEqual(unreachable.sort(), ['foreign', 'gone']);
  });

  it('fetches over ssh with the key and the hosts of its folder, and with nothing else', async (t) => {
    await using host = await createHost();
    const sshd = await startSshServer(t, join(host.root, 'sshd'));
    const publicKey = await makeKey(join(host.root, 'key'));
    await sshd.allow(publicKey);
    const base = `ssh://${sshd.user}@127.0.0.1:${sshd.port}`;
    const credentialsDir = host.credentials(`127.0.0.1_${sshd.port}`, {
      identity: readFileSync(join(host.root, 'key'), 'utf8'),
      known_hosts: `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`,
    });
    const access = createGitSourceAccess({ hosts: [base], credentialsDir, path });
    const repository = host.named(`ssh://whoever@127.0.0.1:${sshd.port}${host.root}/alice/shop`);
    const location = await access.locate(repository, git);
    assert.equal(await refHead({ location, path }, head, never), host.shop.head());
    const bare = createGitSourceAccess({ hosts: [base], path });
    await assert.rejects(bare.locate(repository, git), { code: 'config_invalid' });
  });

  it('says which host of the configuration cannot be used', () => {
    for (const host of ['git.example.org', 'https://user:pw@git.example.org', 'file:///srv']) {
      assert.throws(() => createGitSourceAccess({ hosts: [host], path }), { code: 'config_invalid' });
    }
  });
});
