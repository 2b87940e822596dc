import assert from 'node:assert/strict';
import { mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Identity } from '../../../core/access.ts';
import type { Accounts, Authenticator, Owner } from '../../../core/auth.ts';
import { temporaryFolder } from '../testing/accounts.ts';
import { catalogEntry, deployRecord, startPlatformApi, type TestServer } from '../testing/platform.ts';

const owner: Owner = { id: 'id-alex', slug: 'alex', role: 'member', name: 'Alex', email: '' };
const other: Owner = { id: 'id-al', slug: 'al', role: 'member', name: 'Al', email: '' };

function cookieAuth(): Authenticator & Accounts {
  const refuse = async () => {
    throw new Error('not needed here');
  };
  const identity: Identity = {
    ownerId: owner.id,
    owner: 'alex',
    name: 'Alex',
    email: '',
    role: 'member',
    via: 'session',
  };
  return {
    owners: async () => [other, owner],
    ownerBySlug: async (slug) => [owner, other].find((each) => each.slug === slug),
    ownerById: async (id) => [owner, other].find((each) => each.id === id),
    createOwner: refuse,
    createToken: refuse,
    tokens: async () => [],
    revokeToken: async () => false,
    fromCookies: async (header) => (header === 'in=1' ? identity : undefined),
    fromToken: async () => undefined,
  };
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

describe('the dashboard', () => {
  let resources: AsyncDisposableStack;
  let webDir: string;
  let server: TestServer;
  const script = `console.log("${'hello '.repeat(200)}")`;

  /** Sends the path as it is written, dots and all. */
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(server.origin);
      const outgoing = request(
        { host: '127.0.0.1', port, path, method, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  const html = { accept: 'text/html' };
  const inside = { ...html, cookie: 'in=1' };

  before(async () => {
    resources = new AsyncDisposableStack();
    const root = resources.use(await temporaryFolder()).path;
    webDir = join(root, 'dist');
    await mkdir(join(webDir, 'assets'), { recursive: true });
    await writeFile(join(root, 'secret.txt'), 'secret');
    await symlink(join(root, 'secret.txt'), join(webDir, 'assets', 'link.txt'));
    await writeFile(join(webDir, 'assets', 'index-1a2b.js'), script);
    await writeFile(join(webDir, 'robots.txt'), 'User-agent: *');
    server = resources.use(await startPlatformApi({ makeAuth: async () => cookieAuth(), webDir }));
    server.rooms.entries = [catalogEntry({ ownerId: owner.id })];
    server.rooms.deploys = [
      deployRecord({ ownerId: owner.id, sourceSubject: '</script><script>alert(1)</script>\u2028<!--' }),
    ];
  });
  after(() => resources.disposeAsync());

  it('says that it is not built yet, and is there once it is, without a restart', async () => {
    const before = await get('/', inside);
    assert.equal(before.status, 503);
    assert.match(before.body.toString(), /npm run build:ui/);

    await writeFile(
      join(webDir, 'index.html'),
      '<!doctype html><html><head><title>T</title></head><body></body></html>',
    );

    assert.equal((await get('/', inside)).status, 200);
    await writeFile(
      join(webDir, 'index.html'),
      '<!doctype html><html><head><title>New</title></head></html>',
    );
    await utimes(join(webDir, 'index.html'), 1, 1);
    assert.match((await get('/', inside)).body.toString(), /<title>New/);
  });

  it('has the first data in the page, which nothing in it can break out of', async () => {
    const page = (await get('/alex/hello', inside)).body.toString();

    const block = /<script type="application\/json" id="towline-data">(.*?)<\/script>/s.exec(page);
    assert.equal(page.match(/<\/script>/g)?.length, 1);
    assert.doesNotMatch(block![1]!, /[<\u2028]/);
    const data = JSON.parse(block![1]!);
    assert.equal(data.me.identity.owner, 'alex');
    assert.equal(data.me.version, '1.2.3');
    assert.deepEqual(data.me.owners, ['alex']);
    assert.equal(data.functions[0].functionName, 'hello');
    assert.equal(data.functions[0].lastDeploy.sourceSubject, '</script><script>alert(1)</script>\u2028<!--');
  });

  it('shows its own functions on the page of an owner who is none of its business', async () => {
    server.rooms.entries.push(catalogEntry({ owner: 'al', ownerId: other.id, functionName: 'theirs' }));

    const page = (await get('/al/theirs', inside)).body.toString();

    assert.doesNotMatch(page, /theirs/);
  });

  it('sends pages with a policy that allows our own files only, and that nobody keeps', async () => {
    const { headers } = await get('/', inside);

    assert.equal(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cache-control'], 'no-store');
    assert.ok(headers['referrer-policy']);
  });

  it('leads whoever is not logged in to the login, and back afterwards', async () => {
    const answer = await get('/alex/hello?tab=logs', html);

    assert.equal(answer.status, 303);
    assert.equal(answer.headers['location'], '/login?next=%2Falex%2Fhello%3Ftab%3Dlogs');
    assert.equal((await get('/', { ...html, cookie: 'in=2' })).status, 303);
    assert.equal((await get('/', { accept: 'application/json' })).status, 404);
  });

  it('sends hashed files for ever, compressed once, and 304 to whoever has them', async () => {
    const plain = await get('/assets/index-1a2b.js');
    const brotli = await get('/assets/index-1a2b.js', { 'accept-encoding': 'gzip, deflate, br' });
    const gzip = await get('/assets/index-1a2b.js', { 'accept-encoding': 'gzip' });

    assert.equal(plain.body.toString(), script);
    assert.equal(brotliDecompressSync(brotli.body).toString(), script);
    assert.equal(gunzipSync(gzip.body).toString(), script);
    assert.match(String(plain.headers['content-type']), /javascript/);
    assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(plain.headers['vary'], 'Accept-Encoding');
    const tag = String(brotli.headers['etag']);
    const again = await get('/assets/index-1a2b.js', { 'accept-encoding': 'br', 'if-none-match': tag });
    assert.equal(again.status, 304);
    assert.equal(again.body.length, 0);
    assert.equal((await get('/assets/index-1a2b.js', {}, 'HEAD')).status, 200);
    assert.equal((await get('/robots.txt')).headers['cache-control'], 'no-cache');
  });

  it('compresses the page for whoever takes it', async () => {
    const page = await get('/', { ...inside, 'accept-encoding': 'gzip' });

    assert.equal(page.headers['content-encoding'], 'gzip');
    assert.match(gunzipSync(page.body).toString(), /towline-data/);
  });

  it('has nothing but what was built: no page for a missing file, no way out of the folder', async () => {
    for (const path of [
      '/assets/missing.js',
      '/assets/',
      '/favicon.ico',
      '/assets/link.txt',
      '/../secret.txt',
      '/assets/../../secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '//secret.txt',
      '/assets/..\\..\\secret.txt',
      '/__proto__.js',
    ]) {
      const answer = await get(path, inside);
      assert.equal(answer.status, 404, path);
      assert.doesNotMatch(answer.body.toString(), /^secret$/);
    }
    assert.equal((await get('/', inside, 'POST')).status, 404);
  });

  it('is not lost when the built files go away', async () => {
    await rm(join(webDir, 'index.html'));

    assert.equal((await get('/', inside)).status, 503);
    assert.equal((await get('/healthz')).status, 200);
  });
});
