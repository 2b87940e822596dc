import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Owner } from '../core/auth.ts';
import { TowlineError } from '../core/errors.ts';
import { createLogger } from '../runtime/logger.ts';
import { type Auth, createAuth } from './index.ts';

const root = await mkdtemp(join(tmpdir(), 'towline-auth-'));
after(() => rm(root, { recursive: true, force: true }));
let next = 0;

describe('auth', () => {
  let folder: string;
  let auth: Auth;
  let origin: string;
  let owner: Owner;
  let now: number;
  let logs: string;
  let stop: () => Promise<void>;

  const open = (publicOrigin = origin) =>
    createAuth(
      {
        databasePath: join(folder, 'auth.db'),
        keysDir: join(folder, 'keys'),
        publicOrigin,
        sessionTtlMs: 60_000,
      },
      {
        logger: createLogger(
          { level: 'trace', name: 'test' },
          {
            write(line: string) {
              logs += line;
            },
          },
        ),
        clock: () => now,
      },
    );
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${origin}${path}`, { method, headers, redirect: 'manual' });
  const newTicket = async () => (await auth.createLoginTicket(owner.id)).ticket;
  const cookieOf = (response: Response) => response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const login = async () => cookieOf(await get(`/login?ticket=${await newTicket()}`));

  beforeEach(async () => {
    folder = join(root, String(next++));
    await mkdir(folder);
    now = 1_800_000_000_000;
    logs = '';
    const server = createServer((req, res) => auth.handle(req, res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    auth = await open();
    owner = await auth.createOwner({ slug: 'alex', role: 'member', name: 'Alex', email: 'alex@example.com' });
    stop = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await auth[Symbol.asyncDispose]();
    };
  });
  afterEach(() => stop());

  it('logs in by a one-time link and goes where the person wanted to go', async () => {
    const response = await get(
      `/login?ticket=${await newTicket()}&next=${encodeURIComponent('/alex/hello?x=1')}`,
    );

    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/alex/hello?x=1');
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    assert.match(
      response.headers.getSetCookie()[0]!,
      /^towline_session=[^;]+; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    assert.deepEqual(await auth.fromCookies(cookieOf(response)), {
      ownerId: owner.id,
      owner: 'alex',
      name: 'Alex',
      email: 'alex@example.com',
      role: 'member',
      via: 'session',
    });
  });

  it('makes host-only, secure cookies for an https origin', async () => {
    await auth[Symbol.asyncDispose]();
    auth = await open('https://towline.example');

    const response = await get(`/login?ticket=${await newTicket()}`);

    assert.equal(auth.sessionCookieName, '__Host-towline_session');
    const cookie = response.headers.getSetCookie()[0]!;
    assert.match(
      cookie,
      /^__Host-towline_session=[^;]+; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.equal(await auth.fromCookies(cookieOf(response).replace('__Host-', '')), undefined);
  });

  it('refuses a link the second time, after its time, and one that never was, and says what to do', async () => {
    const used = await newTicket();
    await get(`/login?ticket=${used}`);
    const old = await newTicket();
    now += 10 * 60_000;
    for (const [ticket, status] of [
      [used, 410],
      [old, 410],
      ['A'.repeat(43), 403],
      ['', 403],
    ] as const) {
      const response = await get(`/login?ticket=${ticket}`);
      assert.equal(response.status, status, ticket);
      assert.deepEqual(response.headers.getSetCookie(), []);
      assert.match(await response.text(), /npx towline login/);
    }
  });

  it('shows how to get a link to whoever has none, without anything a page could abuse', async () => {
    const response = await get('/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E');

    assert.equal(response.status, 401);
    assert.match(
      response.headers.get('content-security-policy')!,
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const page = await response.text();
    assert.match(page, /npm start/);
    assert.match(page, /npx towline login/);
    assert.doesNotMatch(page, /<script/);
  });

  it('is not used up by a preview: HEAD and prefetches leave the link as it is', async () => {
    const ticket = await newTicket();

    await get(`/login?ticket=${ticket}`, {}, 'HEAD');
    await get(`/login?ticket=${ticket}`, { 'Sec-Purpose': 'prefetch;prerender' });

    assert.equal((await get(`/login?ticket=${ticket}`)).status, 303);
  });

  it('never redirects to another place', async () => {
    for (const path of ['//evil.example', '/\\evil.example', 'https://evil.example', '/%09/evil.example']) {
      const response = await get(`/login?ticket=${await newTicket()}&next=${encodeURIComponent(path)}`);
      assert.equal(response.headers.get('location'), '/', path);
    }
  });

  it('ends the session that the browser came with: none can be fixed upon somebody', async () => {
    const before = await login();

    const response = await get(`/login?ticket=${await newTicket()}`, { Cookie: before });

    assert.equal(await auth.fromCookies(before), undefined);
    assert.ok(await auth.fromCookies(cookieOf(response)));
  });

  it('lets somebody who is in go on when the link is opened again', async () => {
    const ticket = await newTicket();
    const cookie = cookieOf(await get(`/login?ticket=${ticket}`));

    const response = await get(`/login?ticket=${ticket}&next=/alex`, { Cookie: cookie });

    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/alex');
  });

  it('makes an address wait that tries wrong links, and never the one that has the right one', async () => {
    for (let attempt = 0; attempt < 10; attempt++) await get(`/login?ticket=wrong-${attempt}`);
    const ticket = await newTicket();

    const refused = await get('/login?ticket=wrong-again');
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('retry-after'), '60');
    assert.equal((await get(`/login?ticket=${ticket}`)).status, 303);

    now += 60_000;
    assert.notEqual((await get('/login?ticket=wrong-again')).status, 429);
  });

  it('logs out: the cookie is cleared and its session stays over, also after a restart', async () => {
    const cookie = await login();

    const response = await get('/logout', { Cookie: cookie, Origin: origin, Accept: 'text/html' }, 'POST');

    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/login');
    assert.match(response.headers.getSetCookie()[0]!, /^towline_session=; Max-Age=0;/);
    assert.equal(await auth.fromCookies(cookie), undefined);
    await auth[Symbol.asyncDispose]();
    auth = await open();
    assert.equal(await auth.fromCookies(cookie), undefined);
  });

  it('does not log out for another site, or by a link', async () => {
    const cookie = await login();
    const attempts: [string, Record<string, string>, number][] = [
      ['POST', { Origin: 'http://evil.example' }, 403],
      ['POST', { Origin: 'null' }, 403],
      ['POST', { 'Sec-Fetch-Site': 'same-site' }, 403],
      ['POST', {}, 403],
      ['GET', { Origin: origin }, 404],
    ];
    for (const [method, headers, status] of attempts) {
      assert.equal((await get('/logout', { ...headers, Cookie: cookie }, method)).status, status);
    }
    assert.ok(await auth.fromCookies(cookie));
  });

  it('keeps sessions over a restart until they expire', async () => {
    const cookie = await login();
    await auth[Symbol.asyncDispose]();
    auth = await open();
    assert.ok(await auth.fromCookies(cookie));

    now += 61_000;

    assert.equal(await auth.fromCookies(cookie), undefined);
  });

  it('looks for its cookie among others, takes the first that holds, and none that was tampered with', async () => {
    const cookie = await login();
    const value = cookie.slice(cookie.indexOf('=') + 1);

    assert.ok(await auth.fromCookies(`a=b; towline_session=planted; ${cookie}; c=d`));
    for (const bad of [
      undefined,
      '',
      'towline_session',
      `xtowline_session=${value}`,
      `towline_session="${value}"`,
      `towline_session=${value}x`,
      `towline_session=${value.slice(0, -1)}`,
      `TOWLINE_SESSION=${value}`,
      `a=${'x'.repeat(20_000)}; ${cookie}`,
    ]) {
      assert.equal(await auth.fromCookies(bad), undefined, String(bad).slice(0, 40));
    }
  });

  it('publishes the keys by which others can check a session', async () => {
    const cookie = await login();
    const jwks = (await (await get('/.well-known/jwks.json')).json()) as Parameters<
      typeof createLocalJWKSet
    >[0];

    const { payload } = await jwtVerify(cookie.slice(cookie.indexOf('=') + 1), createLocalJWKSet(jwks), {
      issuer: origin,
      currentDate: new Date(now),
    });

    assert.equal(payload.sub, owner.id);
    assert.equal(JSON.stringify(jwks).includes('"d"'), false);
  });

  it('gives a token out once, keeps only its hash, and ends it on its day', async () => {
    const { token, record } = await auth.createToken({ ownerId: owner.id, name: 'ci', ttlMs: 1_000 });

    assert.match(token, /^towline_pat_[0-9A-Za-z]{43}$/);
    assert.equal((await auth.fromToken(token))?.via, 'token');
    assert.deepEqual(await auth.tokens(owner.id), [record]);
    for (const file of ['auth.db', 'auth.db-wal']) {
      assert.equal((await readFile(join(folder, file))).includes(token.slice(12)), false);
    }
    assert.equal((await stat(join(folder, 'auth.db'))).mode & 0o777, 0o600);

    now += 1_000;
    assert.equal(await auth.fromToken(token), undefined);
  });

  it('refuses tokens that are revoked, changed, or of an owner who is gone', async () => {
    const revoked = await auth.createToken({ ownerId: owner.id, name: 'one', ttlMs: null });
    const orphan = await auth.createToken({ ownerId: owner.id, name: 'two', ttlMs: null });
    const cookie = await login();
    const ticket = await newTicket();

    assert.equal(await auth.revokeToken('another-owner', revoked.record.id), false);
    assert.equal(await auth.revokeToken(owner.id, revoked.record.id), true);
    assert.equal(await auth.fromToken(revoked.token), undefined);
    for (const text of [
      undefined,
      '',
      `${orphan.token}x`,
      orphan.token.slice(0, -1),
      orphan.token.toUpperCase(),
      ' ',
    ]) {
      assert.equal(await auth.fromToken(text), undefined);
    }
    assert.ok(await auth.fromToken(orphan.token));

    const database = new DatabaseSync(join(folder, 'auth.db'), { enableForeignKeyConstraints: true });
    database.prepare('DELETE FROM owners WHERE id = ?').run(owner.id);
    database.close();
    assert.equal(await auth.fromToken(orphan.token), undefined);
    assert.equal(await auth.fromCookies(cookie), undefined);
    assert.equal((await get(`/login?ticket=${ticket}`)).status, 403);
  });

  it('makes owners with names that can be hosts, once each', async () => {
    await assert.rejects(
      auth.createOwner({ slug: 'alex', role: 'member', name: 'x', email: '' }),
      (error) => error instanceof TowlineError && error.code === 'name_taken',
    );
    for (const slug of ['api', 'Alex', 'a.b', '', '__proto__', '-a']) {
      await assert.rejects(
        auth.createOwner({ slug, role: 'member', name: 'x', email: '' }),
        (error) => error instanceof TowlineError && error.code === 'name_invalid',
        slug,
      );
    }
    await assert.rejects(auth.createLoginTicket('nobody'), TowlineError);
    await assert.rejects(auth.createToken({ ownerId: 'nobody', name: 'x', ttlMs: null }), TowlineError);
  });

  it('writes no ticket, cookie or token to the log', async () => {
    const ticket = await newTicket();
    const cookie = cookieOf(await get(`/login?ticket=${ticket}`));
    await get(`/login?ticket=${ticket}`);

    assert.match(logs, /logged in/);
    assert.match(logs, /login refused/);
    assert.equal(logs.includes(ticket), false);
    assert.equal(logs.includes(cookie.slice(20)), false);
  });
});
