import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuth } from '../../../auth/index.ts';
import { type Claims, gitHubClaims, startIssuer } from '../../../auth/workloads/issuer-fixture.ts';
import type { Problem } from '../../../core/api.ts';
import type { Bindings } from '../../../core/images.ts';
import { apiPaths } from '../../../core/paths.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { startPlatformApi } from '../testing/platform.ts';

const image = `ghcr.io/acme/shop@sha256:${'a'.repeat(64)}`;
const body = { owner: 'alex', function: 'shop', image };
const commit = '1'.repeat(40);

async function setUp() {
  const dir = await mkdtemp(join(tmpdir(), 'towline-images-'));
  const issuer = await startIssuer();
  const holder: { auth?: Awaited<ReturnType<typeof createAuth>> } = {};
  const server = await startPlatformApi({
    async makeAuth(origin) {
      holder.auth = await createAuth(
        {
          databasePath: join(dir, 'auth.db'),
          keysDir: join(dir, 'keys'),
          publicOrigin: origin,
          ciIssuers: [`github=${issuer.issuer}`],
          ciKeys: { cooldownMs: 0 },
        },
        { logger: createLogger({ level: 'silent', name: 'test' }) },
      );
      return holder.auth;
    },
  });
  const { auth } = holder;
  assert.ok(auth);
  const tokens = new Map<string, string>();
  for (const slug of ['alex', 'al']) {
    const owner = await auth.createOwner({ slug, role: 'member', name: slug, email: `${slug}@example.org` });
    tokens.set(slug, (await auth.createToken({ ownerId: owner.id, name: 'test', ttlMs: null })).token);
  }
  async function call(token: string | undefined, method: string, path: string, sent?: unknown) {
    const response = await fetch(`${server.origin}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${tokens.get(token) ?? token}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      json: text === '' ? undefined : JSON.parse(text),
    };
  }
  return {
    ...{ issuer, server, call },
    announced: server.rooms.announced,
    job: (more: Claims = {}) => issuer.sign(gitHubClaims(issuer.issuer, server.origin, more)),
    bind: (who: string, more: object = {}) =>
      call(who, 'POST', apiPaths.ciBindings(who), {
        ...{ issuer: issuer.issuer, repositoryId: '74', repository: 'acme/shop', ...more },
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await auth?.[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

test('a CI announces with its own token; what the token says is what counts', async () => {
  await using it = await setUp();
  assert.equal((await it.bind('alex')).status, 201);
  for (const path of ['/v1/images', apiPaths.images()]) {
    const { status, headers, json } = await it.call(await it.job(), 'POST', path, {
      ...body,
      subject: 'Fix it',
    });
    assert.equal(status, 202, JSON.stringify(json));
    assert.equal(headers.get('location'), json.url);
    assert.equal(json.duplicate, false);
  }
  const [said] = it.announced;
  assert.equal(said?.owner, 'alex');
  assert.equal(said?.repository.name, 'shop');
  assert.deepEqual(
    [said?.scm, said?.commit, said?.ref, said?.subject, said?.actor.login, said?.run?.number],
    ['github', commit, 'refs/heads/main', 'Fix it', 'ann', 10],
  );
  const lies = [{ commit: '2'.repeat(40) }, { ref: 'refs/heads/other' }, { repository: 'other' }];
  for (const lie of lies) {
    const { status, json } = await it.call(await it.job(), 'POST', '/v1/images', { ...body, ...lie });
    assert.equal(status, 400, JSON.stringify(lie));
    assert.match((json as Problem).detail, /the token is for/);
  }
  const agreed = { ...body, commit, ref: 'refs/heads/main', repository: 'shop' };
  assert.equal((await it.call(await it.job(), 'POST', '/v1/images', agreed)).status, 202);
});

test('a CI of nobody, or of somebody else, announces nothing', async () => {
  await using it = await setUp();
  await it.bind('alex');
  const job = await it.job();
  const refused: [number, string | undefined, object][] = [
    [401, undefined, body],
    [401, 'towline_pat_wrong', body],
    [401, `${job}x`, body],
    [401, await it.job({ aud: 'https://other.example' }), body],
    [403, await it.job({ repository_id: '7' }), body],
    [403, await it.job({ ref: 'refs/heads/evil' }), body],
    [403, job, { ...body, owner: 'al' }],
    [403, job, { ...body, owner: 'nobody' }],
    [404, 'al', { ...body, commit, ref: 'refs/heads/main', repository: 'shop' }],
    [404, 'al', { ...body, owner: 'nobody', commit, ref: 'refs/heads/main', repository: 'shop' }],
  ];
  for (const [status, token, sent] of refused) {
    const answer = await it.call(token, 'POST', '/v1/images', sent);
    assert.equal(answer.status, status, JSON.stringify(answer.json));
  }
  it.issuer.isUp = false;
  await it.issuer.rotate();
  assert.equal((await it.call(await it.job(), 'POST', '/v1/images', body)).status, 503);
  assert.deepEqual(it.announced, []);
  // A job's token opens nothing else.
  it.issuer.isUp = true;
  for (const path of [apiPaths.me(), apiPaths.ciBindings('alex'), apiPaths.functions('alex')]) {
    assert.equal((await it.call(job, 'GET', path)).status, 401, path);
  }
});

test('a person announces with an API token, and has to say everything', async () => {
  await using it = await setUp();
  const whole = { ...body, repository: 'shop', commit, ref: 'refs/tags/v1', run: 7 };
  assert.equal((await it.call('alex', 'POST', '/v1/images', whole)).status, 202);
  assert.equal(it.announced[0]?.scm, 'git');
  assert.equal(it.announced[0]?.run?.number, 7);
  const wrong = [
    { ...whole, repository: undefined },
    { ...whole, commit: undefined },
    { ...whole, commit: 'main' },
    { ...whole, ref: undefined },
    { ...whole, ref: 'main' },
    { ...whole, image: 'ghcr.io/acme/shop:1' },
    { ...whole, image: `ghcr.io/acme/../shop@sha256:${'a'.repeat(64)}` },
    { ...whole, configuration: { limit: {} } },
    { ...whole, extra: 1 },
  ];
  for (const sent of wrong) {
    assert.equal((await it.call('alex', 'POST', '/v1/images', sent)).status, 400, JSON.stringify(sent));
  }
  assert.equal((await it.call('alex', 'POST', '/v1/images', { ...whole, function: 'Shop' })).status, 422);
  const configuration = { environment: { A: 'b' }, readonly_root_filesystem: true };
  await it.call('alex', 'POST', '/v1/images', { ...whole, configuration });
  assert.equal(it.announced.at(-1)?.configuration?.readOnlyRootFilesystem, true);
});

test('bindings are made, listed and removed by their owner', async () => {
  await using it = await setUp();
  const { status, json } = await it.bind('alex', { environment: 'production' });
  assert.equal(status, 201);
  assert.equal(json.ref, 'refs/heads/main');
  assert.equal((await it.bind('alex', { environment: 'production' })).status, 409);
  assert.equal((await it.bind('alex', { issuer: 'https://evil.example' })).status, 400);
  assert.equal((await it.bind('alex', { repositoryId: 'acme/shop' })).status, 400);
  const list: Bindings = (await it.call('alex', 'GET', apiPaths.ciBindings('alex'))).json;
  assert.equal(list.audience, it.server.origin);
  assert.deepEqual(
    list.bindings.map(({ id }) => id),
    [json.id],
  );
  assert.equal((await it.call('al', 'GET', apiPaths.ciBindings('alex'))).status, 404);
  assert.equal((await it.call('al', 'DELETE', apiPaths.ciBinding('al', json.id))).status, 404);
  assert.equal((await it.call('al', 'DELETE', apiPaths.ciBinding('alex', json.id))).status, 404);
  assert.equal((await it.call('alex', 'DELETE', apiPaths.ciBinding('alex', json.id))).status, 204);
});
