import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseImageReference } from '../../core/image-reference.ts';
import { describeImageRegistry } from './image-registry.contract.ts';
import { createHttpImageRegistry } from './image-registry-http.ts';
import type { RegistryCredentials } from './registry-access.ts';
import { createFolderRegistryAccess } from './registry-access-folder.ts';
import { imageIndex, manifestOf, startRegistryFixture, startTokenService } from './registry-fixture.ts';
import { parseRegistryPattern } from './registry-pattern.ts';

const patience = () => AbortSignal.timeout(120_000);
const quick = { timeoutMs: 2000, maxTries: 3, retry: { firstMs: 1, maxMs: 2 } };
const login = { type: 'password', username: 'ann', password: 's3cret' } as const;
const basicLogin = `Basic ${Buffer.from('ann:s3cret').toString('base64')}`;

function client(allowed: string[], credentials?: Record<string, RegistryCredentials>) {
  const patterns = allowed.flatMap((text) => parseRegistryPattern(text) ?? []);
  assert.equal(patterns.length, allowed.length);
  return createHttpImageRegistry(
    { of: async () => ({ allowed: patterns, credentials: (registry) => credentials?.[registry] }) },
    quick,
  );
}

function ref(text: string) {
  const image = parseImageReference(text);
  assert.ok(image, text);
  return image;
}

describeImageRegistry('http, anonymous', async () => {
  const fixture = await startRegistryFixture();
  const registry = client([fixture.host]);
  return {
    registry,
    stranger: undefined,
    host: fixture.host,
    push: async (repository, tag, content) => fixture.push(repository, tag, manifestOf(content)),
    stop: () => fixture[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
});

describeImageRegistry('http, token', async () => {
  const tokens = await startTokenService('a-token', basicLogin);
  const fixture = await startRegistryFixture(() => ({
    authorization: 'Bearer a-token',
    challenge: `Bearer realm="${tokens.origin}/token",service="here",scope="repository:x:push,pull"`,
  }));
  const registry = client([fixture.host], { [fixture.host]: login });
  const stranger = client([fixture.host]);
  return {
    registry,
    stranger,
    host: fixture.host,
    push: async (repository, tag, content) => fixture.push(repository, tag, manifestOf(content)),
    stop: () => fixture[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      for (const one of [registry, stranger, tokens]) await one[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
});

test('a token is asked for pulling one repository, whatever the registry offers', async () => {
  await using tokens = await startTokenService('a-token');
  await using fixture = await startRegistryFixture(() => ({
    authorization: 'Bearer a-token',
    challenge: `Bearer realm="${tokens.origin}/token?x=1",service="here",scope="repository:team/app:push,delete"`,
  }));
  fixture.push('team/app', '1', manifestOf('one'));
  await using registry = client([fixture.host], { [fixture.host]: login });
  await registry.resolve({ ownerId: 'a', image: ref(`${fixture.host}/team/app:1`), signal: patience() });
  const [asked] = tokens.seen;
  assert.equal(asked?.url, '/token?x=1&service=here&scope=repository%3Ateam%2Fapp%3Apull');
  assert.equal(asked?.authorization, basicLogin);
  assert.deepEqual(
    fixture.seen.map((each) => each.authorization),
    [undefined, 'Bearer a-token'],
  );
});

test('a refresh token is traded in a body, never in an address', async () => {
  await using tokens = await startTokenService('a-token');
  await using fixture = await startRegistryFixture(() => ({
    authorization: 'Bearer a-token',
    challenge: `Bearer realm="${tokens.origin}/token",service="here"`,
  }));
  fixture.push('team/app', '1', manifestOf('one'));
  const credentials = { [fixture.host]: { type: 'refresh-token', token: 'long-lived' } as const };
  await using registry = client([fixture.host], credentials);
  await registry.resolve({ ownerId: 'a', image: ref(`${fixture.host}/team/app:1`), signal: patience() });
  const [asked] = tokens.seen;
  assert.equal(asked?.url, '/token');
  assert.equal(new URLSearchParams(asked?.body).get('refresh_token'), 'long-lived');
  assert.equal(new URLSearchParams(asked?.body).get('scope'), 'repository:team/app:pull');
});

test('a registry of the internet cannot send us into this network', async () => {
  const realms = [
    ...[
      'http://auth.example.com/token',
      'https://127.0.0.1/token',
      'https://169.254.169.254/latest/meta-data',
    ],
    ...[
      'https://10.0.0.8/token',
      'https://[::1]/token',
      'https://[::ffff:10.0.0.8]/token',
      'https://localhost/t',
    ],
    ...[
      'https://[fd00::1]/token',
      'ftp://auth.example.com/',
      'file:///etc/passwd',
      'https://0/t',
      'https://2130706433/',
    ],
  ];
  const { openRegistrySession } = await import('./registry-session.ts');
  const { createRegistryHttp } = await import('./registry-http.ts');
  await using http = createRegistryHttp(quick);
  for (const realm of realms) {
    const asked: string[] = [];
    const session = openRegistrySession({
      http: {
        async call(call, isTrusted) {
          // The registry's own answer is made up, so that it may be any registry; the rest is the real thing.
          if (call.url.host !== 'registry.example.com') {
            asked.push(String(isTrusted));
            return http.call(call, isTrusted);
          }
          const headers = { 'www-authenticate': `Bearer realm="${realm}",service="s"` };
          return { status: 401, headers, body: Buffer.alloc(0) };
        },
        async [Symbol.asyncDispose]() {},
      },
      pattern: { scheme: 'https', registry: 'registry.example.com', folder: [] },
      owner: { allowed: [], credentials: () => undefined },
      image: ref('registry.example.com/team/app:1'),
      signal: patience(),
    });
    await assert.rejects(session.manifest('1'), { code: 'policy_refused' }, realm);
    assert.deepEqual(asked, ['false'], realm);
  }
});

test('a name that leads to this network is refused at the connection', async () => {
  const { publicLookup, isPublicAddress } = await import('./public-address.ts');
  for (const all of [true, false]) {
    const answer = await new Promise<unknown>((resolve) => {
      publicLookup('localhost', { all }, (error) => resolve(error?.code));
    });
    assert.equal(answer, 'ENOTPUBLIC');
  }
  for (const address of ['8.8.8.8', '2606:4700::1111']) assert.equal(isPublicAddress(address), true, address);
  for (const address of ['::ffff:127.0.0.1', '::', 'fe80::1', '100.64.1.1', 'localhost', '']) {
    assert.equal(isPublicAddress(address), false, address);
  }
});

test('credentials stay with their host: not with redirects, not with another registry', async () => {
  await using other = await startRegistryFixture();
  await using fixture = await startRegistryFixture(() => ({
    authorization: basicLogin,
    challenge: 'Basic realm="here"',
  }));
  const body = manifestOf('one');
  const digest = other.push('team/app', '1', body);
  fixture.intercept = (req, res) => {
    if (req.authorization === undefined) return false;
    res.writeHead(307, { location: `${other.origin}/v2/team/app/manifests/1` }).end();
    return true;
  };
  await using registry = client([fixture.host, other.host], { [fixture.host]: login });
  const found = await registry.resolve({
    ownerId: 'a',
    image: ref(`${fixture.host}/team/app:1`),
    signal: patience(),
  });
  assert.equal(found.digest, digest);
  assert.deepEqual(
    fixture.seen.map((each) => each.authorization),
    [undefined, basicLogin],
  );
  assert.deepEqual(
    other.seen.map((each) => each.authorization),
    [undefined],
  );
});

test('redirects in a ring end', async () => {
  await using fixture = await startRegistryFixture();
  fixture.intercept = (req, res) => {
    res.writeHead(302, { location: req.url }).end();
    return true;
  };
  await using registry = client([fixture.host]);
  const asking = registry.resolve({
    ownerId: 'a',
    image: ref(`${fixture.host}/team/app:1`),
    signal: patience(),
  });
  await assert.rejects(asking, { code: 'registry_unavailable', message: /redirects without end/ });
  assert.equal(fixture.seen.length, 4);
});

test('a registry that stumbles is asked again, three times in all', async () => {
  await using fixture = await startRegistryFixture();
  const digest = fixture.push('team/app', '1', manifestOf('one'));
  const image = ref(`${fixture.host}/team/app:1`);
  await using registry = client([fixture.host]);
  const statuses = [503, 429];
  fixture.intercept = (_req, res) => {
    const status = statuses.shift();
    if (status === undefined) return false;
    res.writeHead(status, { 'retry-after': '0' }).end();
    return true;
  };
  assert.equal((await registry.resolve({ ownerId: 'a', image, signal: patience() })).digest, digest);
  fixture.seen.length = 0;
  fixture.intercept = (_req, res) => Boolean(res.writeHead(500).end());
  const failing = registry.resolve({ ownerId: 'a', image, signal: patience() });
  await assert.rejects(failing, { code: 'registry_unavailable', message: /answers 500/ });
  assert.equal(fixture.seen.length, 3);
});

test('a registry that never answers, cuts off or floods is given up', async () => {
  await using fixture = await startRegistryFixture();
  const image = ref(`${fixture.host}/team/app:1`);
  const access = { of: async () => ({ allowed: [], credentials: () => undefined }) };
  await using registry = createHttpImageRegistry(
    {
      of: async () => ({
        ...(await access.of()),
        allowed: [{ scheme: 'http', registry: fixture.host, folder: [] }],
      }),
    },
    { timeoutMs: 100, maxTries: 2, retry: { firstMs: 1, maxMs: 1 } },
  );
  fixture.intercept = () => true;
  await assert.rejects(registry.resolve({ ownerId: 'a', image, signal: patience() }), {
    code: 'registry_unavailable',
  });
  fixture.intercept = (_req, res) => Boolean(res.destroy());
  await assert.rejects(registry.resolve({ ownerId: 'a', image, signal: patience() }), {
    code: 'registry_unavailable',
  });
  await using patient = client([fixture.host]);
  fixture.intercept = (_req, res) => Boolean(res.writeHead(200).end(Buffer.alloc(5 * 1024 * 1024)));
  await assert.rejects(patient.resolve({ ownerId: 'a', image, signal: patience() }), { code: 'too_large' });
});

test('what a registry gives under a digest must have that digest', async () => {
  await using fixture = await startRegistryFixture();
  const digest = fixture.push('team/app', '1', manifestOf('one'));
  fixture.intercept = (_req, res) =>
    Boolean(
      res
        .writeHead(200, {
          'content-type': 'application/vnd.oci.image.manifest.v1+json',
          'docker-content-digest': digest,
        })
        .end(manifestOf('forged')),
    );
  await using registry = client([fixture.host]);
  const asking = registry.resolve({
    ownerId: 'a',
    image: ref(`${fixture.host}/team/app@${digest}`),
    signal: patience(),
  });
  await assert.rejects(asking, { message: /gave another image/ });
});

test('only container images count, and of an index the one for the platform', async () => {
  await using fixture = await startRegistryFixture();
  await using registry = client([fixture.host]);
  const ask = (name: string, platform?: string) =>
    registry.resolve({ ownerId: 'a', image: ref(`${fixture.host}/${name}`), platform, signal: patience() });
  const amd = `sha256:${'a'.repeat(64)}`;
  const arm = `sha256:${'b'.repeat(64)}`;
  const manifests = [
    { digest: amd, platform: { os: 'linux', architecture: 'amd64' } },
    { digest: arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  ];
  const digest = fixture.push('team/app', '1', JSON.stringify({ schemaVersion: 2, manifests }), imageIndex);
  assert.equal((await ask('team/app:1')).digest, digest);
  assert.equal((await ask('team/app:1', 'linux/amd64')).digest, amd);
  assert.equal((await ask('team/app:1', 'linux/arm64/v8')).digest, arm);
  await assert.rejects(ask('team/app:1', 'linux/s390x'), {
    code: 'image_not_found',
    message: /not made for/,
  });
  const chart = { config: { mediaType: 'application/vnd.cncf.helm.config.v1+json' }, layers: [] };
  fixture.push('team/chart', '1', JSON.stringify(chart));
  await assert.rejects(ask('team/chart:1'), { code: 'image_not_found', message: /not a container image/ });
  fixture.push(
    'team/old',
    '1',
    '{"schemaVersion":1}',
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
  );
  await assert.rejects(ask('team/old:1'), { code: 'image_not_found' });
  fixture.push('team/page', '1', '<html>', 'text/html');
  await assert.rejects(ask('team/page:1'), { code: 'image_not_found' });
});

test('errors name no secret', async () => {
  await using tokens = await startTokenService('x', 'Basic never');
  await using fixture = await startRegistryFixture(() => ({
    authorization: 'Bearer x',
    challenge: `Bearer realm="${tokens.origin}/token"`,
  }));
  await using registry = client([fixture.host], { [fixture.host]: login });
  const asking = registry.resolve({
    ownerId: 'a',
    image: ref(`${fixture.host}/team/app:1`),
    signal: patience(),
  });
  await assert.rejects(asking, (error: Error & { code: string; hint?: string }) => {
    assert.equal(error.code, 'image_forbidden');
    assert.doesNotMatch(
      JSON.stringify([error.message, error.hint, error.stack, String(error.cause)]),
      /s3cret|YW5u/,
    );
    return true;
  });
});

test("an owner's own credentials and registries go over the installation's", async () => {
  const dir = await mkdtemp(join(tmpdir(), 'towline-registries-'));
  try {
    const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
    await mkdir(join(dir, 'ann'));
    await writeFile(
      join(dir, 'config.json'),
      JSON.stringify({
        auths: {
          'https://index.docker.io/v1/': auth('all:pw'),
          'ghcr.io': auth('all:pw2'),
          'quay.io/x': auth('a:b'),
        },
        credHelpers: { 'gcr.io': 'gcloud' },
      }),
    );
    await writeFile(
      join(dir, 'ann', 'config.json'),
      JSON.stringify({
        auths: { 'https://ghcr.io': auth('ann:own:pw'), 'quay.io': {} },
        credsStore: 'desktop',
      }),
    );
    await writeFile(join(dir, 'ann', 'registries.json'), JSON.stringify(['ghcr.io/ann', 'localhost:5000']));
    const allowed = [parseRegistryPattern('ghcr.io')].flatMap((pattern) => pattern ?? []);
    const access = createFolderRegistryAccess({ dir, allowed });
    const ann = await access.of('ann');
    const bob = await access.of('bob');
    assert.deepEqual(ann.credentials('ghcr.io'), { type: 'password', username: 'ann', password: 'own:pw' });
    assert.deepEqual(bob.credentials('ghcr.io'), { type: 'password', username: 'all', password: 'pw2' });
    assert.deepEqual(ann.credentials('docker.io'), { type: 'password', username: 'all', password: 'pw' });
    assert.equal(bob.credentials('quay.io'), undefined);
    assert.throws(() => bob.credentials('gcr.io'), { code: 'config_invalid', message: /credential helper/ });
    assert.throws(() => ann.credentials('quay.io'), { code: 'config_invalid', message: /credential helper/ });
    assert.deepEqual(
      ann.allowed.map(({ scheme, registry, folder }) => `${scheme}://${[registry, ...folder].join('/')}`),
      ['https://ghcr.io/ann', 'http://localhost:5000'],
    );
    assert.equal(bob.allowed, allowed);
    // An id can't lead out of its folder.
    assert.deepEqual((await access.of('../ann')).allowed, allowed);
    await writeFile(join(dir, 'ann', 'registries.json'), '["*"]');
    await assert.rejects(access.of('ann'), { code: 'config_invalid' });
    await writeFile(join(dir, 'config.json'), '{');
    await assert.rejects(access.of('bob'), { code: 'config_invalid' });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('a folder of a registry is allowed by whole segments', async () => {
  await using registry = client(['ghcr.io/acme/*', 'docker.io']);
  const allowed = ['ghcr.io/acme/x', 'ghcr.io/acme/x/y', 'ghcr.io/acme', 'alpine'];
  const refused = [
    'ghcr.io/acme-evil/x',
    'ghcr.io/acm/x',
    'ghcr.io/x/acme/y',
    'ghcr.io.evil.com/acme/x',
    'quay.io/a',
  ];
  for (const text of allowed) await registry.assertAllowed('a', ref(text));
  for (const text of refused) {
    await assert.rejects(registry.assertAllowed('a', ref(text)), { code: 'policy_refused' }, text);
  }
  for (const text of [
    '',
    '*',
    'ghcr',
    'https://',
    'ghcr.io/*/x',
    'ghcr.io/..',
    'a b.io',
    'ghcr.io?x',
    'u@ghcr.io',
  ]) {
    assert.equal(parseRegistryPattern(text), undefined, text);
  }
});
