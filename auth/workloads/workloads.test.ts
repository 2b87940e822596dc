import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { exportSPKI, importJWK, SignJWT } from 'jose';
import { createSqliteAccountStore } from '../accounts/account-store-sqlite.ts';
import { openAuthDatabase } from '../auth-database.ts';
import { createSqliteBindingStore } from './binding-store-sqlite.ts';
import {
  type Claims,
  gitHubClaims,
  gitLabClaims,
  type IssuerFixture,
  startIssuer,
} from './issuer-fixture.ts';
import { parseTrustedIssuer } from './trusted-issuer.ts';
import { createWorkloadTokens } from './workload-tokens.ts';
import { createWorkloads } from './workloads.ts';

const audience = 'https://towline.example';
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function setUp() {
  const gitHub = await startIssuer('RS256');
  const gitLab = await startIssuer('ES256');
  const stranger = await startIssuer('RS256');
  const issuers = [`github=${gitHub.issuer}`, `gitlab=${gitLab.issuer}`].flatMap(
    (text) => parseTrustedIssuer(text) ?? [],
  );
  let passed = 0;
  const clock = () => Date.now() + passed;
  const database = openAuthDatabase(':memory:');
  const accounts = createSqliteAccountStore(database);
  for (const id of ['ann', 'bob']) accounts.addOwner({ id, slug: id, role: 'member', name: id, email: '' });
  const keys = { timeoutMs: 1000, cooldownMs: 0, maxAgeMs: 60_000, failureCooldownMs: 5000 };
  const workloads = createWorkloads({
    issuers,
    tokens: createWorkloadTokens({ issuers, audience, keys, clock }),
    store: createSqliteBindingStore(database),
    clock,
  });
  return {
    ...{ gitHub, gitLab, stranger, workloads },
    pass(ms: number) {
      passed += ms;
    },
    bind: (more: Partial<Parameters<typeof workloads.addBinding>[0]> = {}) =>
      workloads.addBinding({
        ...{ ownerId: 'ann', issuer: gitHub.issuer, repositoryId: '74', repository: 'acme/shop' },
        ...{ ref: 'refs/heads/main', environment: null, workflow: null, ...more },
      }),
    async owners(token: string) {
      return (await workloads.fromWorkloadToken(token))?.ownerIds;
    },
    async [Symbol.asyncDispose]() {
      database.close();
      for (const each of [gitHub, gitLab, stranger]) await each[Symbol.asyncDispose]();
    },
  };
}

const job = (issuer: IssuerFixture, more: Claims = {}) =>
  issuer.sign(gitHubClaims(issuer.issuer, audience, more));

test('a job of GitHub Actions works for the owner that bound its repository', async () => {
  await using it = await setUp();
  await it.bind();
  const workload = await it.workloads.fromWorkloadToken(await job(it.gitHub));
  assert.deepEqual(workload, {
    via: 'workload',
    ownerIds: ['ann'],
    scm: 'github',
    issuer: it.gitHub.issuer,
    subject: 'repo:acme/shop:ref:refs/heads/main',
    repository: {
      id: '74',
      name: 'shop',
      path: 'acme/shop',
      url: `${it.gitHub.issuer}/acme/shop`,
      private: true,
    },
    ref: 'refs/heads/main',
    commit: '1'.repeat(40),
    run: { of: `${it.gitHub.issuer} 74 acme/shop/.github/workflows/release.yml`, number: 10 },
    actor: { name: 'ann', login: 'ann', email: '12+ann@users.noreply.127.0.0.1' },
  });
});

test('a job of GitLab CI works for the owner that bound its project', async () => {
  await using it = await setUp();
  await it.bind({ issuer: it.gitLab.issuer, repositoryId: '28', workflow: '.gitlab-ci.yml' });
  const token = await it.gitLab.sign(gitLabClaims(it.gitLab.issuer, audience));
  const workload = await it.workloads.fromWorkloadToken(token);
  assert.deepEqual(workload?.ownerIds, ['ann']);
  assert.equal(workload?.ref, 'refs/heads/main');
  assert.equal(workload?.commit, '2'.repeat(40));
  assert.deepEqual(workload?.repository, {
    ...{ id: '28', name: 'shop', path: 'group/sub/shop', private: true },
    url: `${it.gitLab.issuer}/group/sub/shop`,
  });
  assert.equal(workload?.run?.number, 455);
  const ofTag = { ref: 'v1', ref_type: 'tag', ref_path: 'refs/tags/v1' };
  const tag = await it.gitLab.sign(gitLabClaims(it.gitLab.issuer, audience, ofTag));
  assert.deepEqual(await it.owners(tag), []);
});

test('every condition of a binding has to hold, exactly', async () => {
  await using it = await setUp();
  await it.bind({ environment: 'production', workflow: '.github/workflows/release.yml' });
  const good = { environment: 'production' };
  assert.deepEqual(await it.owners(await job(it.gitHub, good)), ['ann']);
  const others: Claims[] = [
    { environment: 'production-2' },
    { environment: undefined },
    { ...good, ref: 'refs/heads/main2' },
    { ...good, ref: 'refs/heads/mai' },
    { ...good, ref: 'refs/tags/main' },
    { ...good, repository_id: '7' },
    { ...good, repository_id: '744' },
    { ...good, workflow_ref: 'acme/shop/.github/workflows/release.yml.evil@refs/heads/main' },
    { ...good, workflow_ref: 'acme/shopping/.github/workflows/release.yml@refs/heads/main' },
    { ...good, workflow_ref: 'evil/x/acme/shop/.github/workflows/release.yml@refs/heads/main' },
    // The name alone says nothing: somebody else may have it by now.
    { ...good, repository: 'acme/shop', repository_id: '75' },
  ];
  for (const claims of others) {
    assert.deepEqual(await it.owners(await job(it.gitHub, claims)), [], JSON.stringify(claims));
  }
  // A repository that was renamed is still the same.
  const renamed = {
    repository: 'acme/store',
    workflow_ref: 'acme/store/.github/workflows/release.yml@refs/heads/x',
  };
  assert.deepEqual(await it.owners(await job(it.gitHub, { ...good, ...renamed })), ['ann']);
});

test('the same number at another forge is another repository', async () => {
  await using it = await setUp();
  await it.bind();
  const other = await it.gitLab.sign(gitLabClaims(it.gitLab.issuer, audience, { project_id: '74' }));
  assert.deepEqual(await it.owners(other), []);
  // Claims of one forge in a token of the other are not understood at all.
  const mixed = await it.gitLab.sign(gitHubClaims(it.gitLab.issuer, audience));
  assert.equal(await it.owners(mixed), undefined);
});

test('tokens that are not for us, not now or not from whom they say are refused', async () => {
  await using it = await setUp();
  await it.bind({ ref: null });
  const now = Math.floor(Date.now() / 1000);
  const claims: Claims[] = [
    { aud: 'https://towline.example.evil' },
    { aud: 'https://github.com/acme' },
    { aud: undefined },
    { aud: '' },
    { exp: now - 60 },
    { exp: undefined },
    { iat: undefined },
    { iat: now + 600 },
    { iat: now - 90_000 },
    { nbf: now + 600 },
    { sub: undefined },
    { iss: `${it.gitHub.issuer}/` },
    { iss: it.gitLab.issuer },
    { iss: undefined },
    { repository_id: 74 },
    { repository_id: '74 ' },
    { repository: 'acme/..' },
    { sha: 'main' },
    { ref: 'main' },
  ];
  for (const each of claims) {
    assert.equal(await it.owners(await job(it.gitHub, each)), undefined, JSON.stringify(each));
  }
  assert.deepEqual(await it.owners(await job(it.gitHub, { aud: ['other', audience] })), ['ann']);
});

test('another key never counts, however the token points to it', async () => {
  await using it = await setUp();
  await it.bind();
  const { gitHub, stranger } = it;
  const claims = gitHubClaims(gitHub.issuer, audience);
  const [jwk] = gitHub.jwks().keys;
  const publicKey = await importJWK(jwk as object, 'RS256', { extractable: true });
  const pem = await exportSPKI(publicKey as Parameters<typeof exportSPKI>[0]);
  const head = (header: object) => `${base64(header)}.${base64(claims)}`;
  const hmac = (text: string, key: string) =>
    `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  const forged: Record<string, string> = {
    'of an issuer that is not trusted': await job(stranger),
    'signed by a stranger': await stranger.sign(claims),
    'with its own key address': await stranger.sign(claims, { jku: `${stranger.issuer}/.well-known/jwks` }),
    'with its own key': await stranger.sign(claims, { jwk: stranger.jwks().keys[0] }),
    unsigned: `${head({ alg: 'none' })}.`,
    'unsigned, with a key id': `${head({ alg: 'none', kid: 'key-1' })}.AA`,
    'by HMAC with the public key': hmac(head({ alg: 'HS256', kid: 'key-1' }), pem),
    'by HMAC with the published key': hmac(head({ alg: 'HS256', kid: 'key-1' }), JSON.stringify(jwk)),
    'without a key id': await gitHub.sign(claims, { kid: undefined }),
    changed: (await gitHub.sign(claims)).replace(
      /\.[^.]+\./,
      `.${base64({ ...claims, repository_id: '1' })}.`,
    ),
    padded: `${await gitHub.sign(claims)}==`,
    oversized: await job(gitHub, { padding: 'x'.repeat(9000) }),
    nothing: '',
    'no token': 'a.b.c',
    'an array': `${base64([])}.${base64([])}.AA`,
  };
  for (const [what, token] of Object.entries(forged)) assert.equal(await it.owners(token), undefined, what);
  assert.equal(stranger.fetches, 0);
  // A token that is good in itself, but under the other issuer's key of the same name.
  const ec = await it.gitLab.sign(claims);
  assert.equal(await it.owners(ec), undefined);
  const other = new SignJWT(claims).setProtectedHeader({ alg: 'RS384', kid: 'key-1' });
  assert.equal(await it.owners(await other.sign(await privateKey())), undefined);
  assert.deepEqual(await it.owners(await job(gitHub)), ['ann']);
});

async function privateKey() {
  const { generateKeyPair } = await import('jose');
  return (await generateKeyPair('RS384')).privateKey;
}

test('a job of a merge request works for nobody, whatever its branch is called', async () => {
  await using it = await setUp();
  const { gitLab } = it;
  await it.bind({ issuer: gitLab.issuer, repositoryId: '28', repository: 'group/sub/shop', ref: null });
  const owners = async (more: Claims) =>
    it.owners(await gitLab.sign(gitLabClaims(gitLab.issuer, audience, more)));
  assert.deepEqual(await owners({}), ['ann']);
  const refused: Claims[] = [
    {
      pipeline_source: 'merge_request_event',
      ref_protected: 'false',
      ref_path: 'refs/merge-requests/7/head',
    },
    { pipeline_source: 'merge_request_event' },
    { pipeline_source: 'external_pull_request_event' },
    { pipeline_source: undefined },
    { ref_path: 'refs/merge-requests/7/merge' },
    { ref_path: 'refs/heads/other' },
    { ref_path: 'refs/tags/main' },
    { ref_type: 'tag' },
    { ref_protected: undefined },
    { job_project_id: '29' },
  ];
  for (const more of refused) assert.equal(await owners(more), undefined, JSON.stringify(more));
  assert.deepEqual(await owners({ ref_path: undefined, job_project_id: undefined }), ['ann']);
});

test('a branch of GitLab that is bound by name has to be protected', async () => {
  await using it = await setUp();
  const { gitLab } = it;
  const bound = { issuer: gitLab.issuer, repositoryId: '28', repository: 'group/sub/shop' };
  await it.bind({ ...bound, ref: 'refs/heads/main' });
  await it.bind({ ...bound, ref: null, ownerId: 'bob' });
  const owners = async (more: Claims) =>
    it.owners(await gitLab.sign(gitLabClaims(gitLab.issuer, audience, more)));
  assert.deepEqual(await owners({}), ['ann', 'bob']);
  for (const ref_protected of ['false', '', 'TRUE'])
    assert.deepEqual(await owners({ ref_protected }), ['bob']);
});

test('a job of a pull request works for nobody, also where its token names the branch', async () => {
  await using it = await setUp();
  await it.bind();
  await it.bind({ ref: null, ownerId: 'bob' });
  const owners = async (more: Claims) => it.owners(await job(it.gitHub, more));
  for (const event_name of ['push', 'workflow_dispatch', 'schedule', 'release'])
    assert.deepEqual(await owners({ event_name }), ['ann', 'bob']);
  const refused: Claims[] = [
    { event_name: 'pull_request' },
    { event_name: 'pull_request_target' },
    { event_name: 'pull_request_review' },
    { event_name: undefined },
    { ref: 'refs/pull/7/merge' },
    { ref: 'refs/pull/7/head', event_name: 'push' },
    { ref: 'main' },
  ];
  for (const more of refused) assert.equal(await owners(more), undefined, JSON.stringify(more));
});

test('keys are fetched once, again for a new one, and an old one stops', async () => {
  await using it = await setUp();
  await it.bind();
  const old = await job(it.gitHub);
  for (let index = 0; index < 3; index += 1) assert.deepEqual(await it.owners(old), ['ann']);
  assert.equal(it.gitHub.fetches, 1);
  await it.gitHub.rotate();
  assert.deepEqual(await it.owners(await job(it.gitHub)), ['ann']);
  assert.equal(it.gitHub.fetches, 2);
  assert.equal(await it.owners(old), undefined);
});

test('while an issuer is away nobody is let in, and it is not asked again at once', async () => {
  await using it = await setUp();
  await it.bind();
  it.gitHub.isUp = false;
  const token = await job(it.gitHub);
  for (let index = 0; index < 3; index += 1) await assert.rejects(it.owners(token), { code: 'unavailable' });
  assert.equal(it.gitHub.fetches, 1);
  it.gitHub.isUp = true;
  it.pass(6000);
  assert.deepEqual(await it.owners(token), ['ann']);
});

test('a binding needs a trusted issuer; removed, it counts no longer', async () => {
  await using it = await setUp();
  await assert.rejects(it.bind({ issuer: it.stranger.issuer }), { code: 'bad_request' });
  const binding = await it.bind();
  await assert.rejects(it.bind(), { code: 'conflict' });
  const token = await job(it.gitHub);
  assert.equal(await it.workloads.removeBinding('bob', binding.id), false);
  assert.deepEqual(await it.owners(token), ['ann']);
  assert.equal(await it.workloads.removeBinding('ann', binding.id), true);
  assert.deepEqual(await it.owners(token), []);
});

test('an issuer is named in full, by https', () => {
  const good = [
    'github=https://token.actions.githubusercontent.com',
    'gitlab=https://git.example:8443/gitlab',
  ];
  for (const text of good) assert.ok(parseTrustedIssuer(text), text);
  const wrong = [
    'https://gitlab.com',
    'other=https://x.com',
    'github=http://x.com',
    'gitlab=https://x.com/',
    'github=',
  ];
  for (const text of [
    ...wrong,
    'gitlab=https://u:p@x.com',
    'gitlab=https://x.com?a=b',
    'gitlab=ftp://x.com',
  ]) {
    assert.equal(parseTrustedIssuer(text), undefined, text);
  }
});
