import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Identity } from '../../core/access.ts';
import type { Authenticator } from '../../core/auth.ts';
import type { FunctionAccess } from '../../core/function-access.ts';
import { type Edge, startEdge } from '../edge.fixture.test.ts';

function identity(owner: string, role: Identity['role'] = 'member'): Identity {
  return { ownerId: `id-${owner}`, owner, name: '', email: '', role, via: 'token' };
}

const people: Record<string, Identity> = {
  alice: identity('alice'),
  bob: identity('bob'),
  ops: identity('ops', 'operator'),
};

/** Tokens are names; the session's cookie too. */
const authenticator: Authenticator = {
  async fromToken(token) {
    if (token === 'away') throw new Error('the database is locked');
    return people[token ?? ''];
  },
  fromCookies: async (cookie) => people[/(?:^|; )session=(\w+)/.exec(cookie ?? '')?.[1] ?? ''],
};

describe('a function that is not public', () => {
  let edge: Edge;
  let reached: { url: string | undefined; authorization: string | undefined; cookie: string | undefined }[];
  const host = { host: 'alice.localhost' };
  const as = (token: string) => ({ ...host, authorization: `Bearer ${token}` });
  const be = (access: FunctionAccess, name = 'fn') => {
    const { targets } = edge.catalog.lookup('alice', name) ?? { targets: [] };
    edge.catalog.set('alice', name, { access, targets });
  };
  const status = async (headers: Record<string, string>, path = '/fn/x', method = 'GET') =>
    (await edge.get(path, { headers, method })).status;

  before(async () => {
    edge = await startEdge({ publicOrigin: 'http://localhost', platformCookies: ['session'] }, authenticator);
    await edge.upstream((req, res) => {
      const { authorization, cookie } = req.headers;
      reached.push({ url: req.url, authorization, cookie });
      res.end('reached');
    });
  });
  after(() => edge[Symbol.asyncDispose]());
  beforeEach(() => {
    reached = [];
    be('owner');
  });
  afterEach(() => edge.catalog.entries.delete('alice/asleep'));

  it('answers nobody in particular with 401, and hears nothing of it', async () => {
    const answer = await edge.get('/fn', { headers: host });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['www-authenticate'], 'Bearer realm="towline"');
    assert.match(answer.body, /alice\/fn is not public.*http:\/\/localhost\/~alice\/fn/);
    for (const authorization of ['Bearer', 'Bearer nobody', 'Basic YWxpY2U6', 'bob', 'Bearer alice bob']) {
      assert.equal(await status({ ...host, authorization }), 401, authorization);
    }
    assert.deepEqual(reached, []);
  });

  it('takes requests of its owner, and never sees the token', async () => {
    assert.equal(await status(as('alice')), 200);
    assert.deepEqual(reached, [{ url: '/x', authorization: undefined, cookie: undefined }]);
  });

  it('is closed to others by owner id, and to operators too if it is for the owner alone', async () => {
    assert.equal(await status(as('bob')), 403);
    assert.equal(await status(as('ops')), 403);
    be('members');
    assert.equal(await status(as('bob')), 403);
    assert.equal(await status(as('ops')), 200);
    edge.catalog.set('alice', 'taken-over', {
      ownerId: 'id-of-the-alice-before',
      access: 'members',
      targets: edge.catalog.lookup('alice', 'fn')?.targets ?? [],
    });
    assert.equal(await status(as('alice'), '/taken-over'), 403);
  });

  it('stays closed while logins cannot be checked, or nobody can check them', async () => {
    assert.equal(await status(as('away')), 503);
    await using without = await startEdge();
    await without.upstream((_req, res) => res.end());
    const { targets } = without.catalog.lookup('alice', 'fn') ?? { targets: [] };
    without.catalog.set('alice', 'fn', { access: 'members', targets });
    assert.equal((await without.get('/fn', { headers: as('alice') })).status, 403);
    assert.deepEqual(reached, []);
  });

  it('is not woken for somebody who may not use it', async () => {
    edge.catalog.set('alice', 'asleep', { status: 'Asleep', access: 'members' });
    assert.equal(await status(host, '/asleep'), 401);
    assert.equal(edge.catalog.wakes, 0);
  });

  it('hears nothing of a preflight, which carries no login: the router answers that, and no other OPTIONS', async () => {
    edge.catalog.set('alice', 'asleep', { status: 'Asleep', access: 'members' });
    const asked = {
      ...host,
      origin: 'http://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    };
    for (const path of ['/fn', '/fn/private?x=1', '/asleep']) {
      const answer = await edge.get(path, { method: 'OPTIONS', headers: asked });
      assert.deepEqual([answer.status, answer.body], [204, ''], path);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.headers['access-control-allow-methods'] ?? '', /\bPOST\b/);
      assert.equal(answer.headers['access-control-allow-headers'], '*, Authorization');
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      assert.match(answer.headers.vary ?? '', /^Origin\b/);
    }
    const withBody = { ...asked, ...as('nobody'), 'content-length': '6' };
    assert.equal(
      (await edge.get('/fn/x', { method: 'OPTIONS', headers: withBody, body: 'secret' })).status,
      204,
    );
    const unread = await edge.raw(
      'OPTIONS /fn HTTP/1.1\r\nHost: alice.localhost\r\nOrigin: http://app.example\r\n' +
        'Access-Control-Request-Method: POST\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n',
    );
    assert.match(unread, /^HTTP\/1\.1 204 .*Connection: close/s);
    assert.equal(await status({ ...host, origin: 'http://app.example' }, '/fn', 'OPTIONS'), 401);
    assert.equal(await status({ ...host, 'access-control-request-method': 'POST' }, '/fn', 'OPTIONS'), 401);
    assert.deepEqual(reached, []);
    assert.equal(edge.catalog.wakes, 0);

    be('public');
    assert.equal(await status(asked, '/fn', 'OPTIONS'), 200, 'a public one answers its own');
    assert.equal(reached.length, 1);
  });

  it('does not answer who waited for it while it was public, or somebody else’s', async () => {
    const { targets } = edge.catalog.lookup('alice', 'fn') ?? { targets: [] };
    const wakesInto = (change: Parameters<typeof edge.catalog.set>[2]) => {
      edge.catalog.onWake = async () => edge.catalog.set('alice', 'asleep', { targets, ...change });
    };
    edge.catalog.set('alice', 'asleep', { status: 'Asleep' });
    wakesInto({ access: 'owner' });
    assert.equal(await status(host, '/asleep/x'), 503);
    edge.catalog.set('alice', 'asleep', { status: 'Asleep', access: 'members' });
    wakesInto({ access: 'members', ownerId: 'id-of-the-alice-after' });
    assert.equal(await status(as('alice'), '/asleep/x'), 503);
    assert.equal(reached.length, 0);

    edge.catalog.set('alice', 'asleep', { status: 'Asleep', access: 'owner' });
    wakesInto({ access: 'members' });
    assert.equal(await status(as('alice'), '/asleep/x'), 200);
    assert.equal(reached.pop()?.authorization, undefined);
    edge.catalog.wakes = 0;
  });

  it('takes the dashboard’s session at the platform’s own address alone, and not for foreign pages', async () => {
    const local = { host: 'localhost', cookie: 'session=alice; mine=1', 'sec-fetch-site': 'none' };
    const path = '/~alice/fn/x';
    assert.equal(await status(local, path), 200);
    assert.deepEqual(reached.pop(), { url: '/x', authorization: undefined, cookie: 'mine=1' });
    const opened = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    assert.equal(await status({ ...local, 'sec-fetch-site': 'cross-site', ...opened }, path), 200);

    assert.equal(await status({ ...host, cookie: 'session=alice' }), 401);
    assert.equal(
      await status({ ...local, authorization: 'Bearer wrong' }, path),
      401,
      'no way back to the cookie',
    );
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://bob.localhost' },
      { origin: 'null', 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of foreign) {
      assert.equal(await status({ ...local, ...headers }, path), 401, JSON.stringify(headers));
      assert.equal(
        await status({ ...local, ...headers, ...opened }, path, 'POST'),
        401,
        JSON.stringify(headers),
      );
    }
    assert.equal(await status(local, path, 'POST'), 401, 'a form of an old browser');
    assert.equal(await status({ ...local, origin: 'http://localhost' }, path, 'POST'), 200);
  });

  it('takes the session from the dashboard’s pages alone where browsers do not say what site a request is from', async () => {
    const local = { host: 'localhost', cookie: 'session=alice' };
    const path = '/~alice/fn/x';
    const foreign = [
      'http://bob.localhost/',
      'http://localhost.example/',
      'http://localhost:1/',
      'about:blank',
      '',
    ];
    for (const referer of [...foreign, 'http://localhost/~bob/fn', 'http://bob@localhost/~bob/fn']) {
      assert.equal(await status({ ...local, referer }, path), 401, referer);
    }
    assert.equal(await status(local, path), 401, 'an image of a page that hides where it is from');
    const ofNoOrigin = { ...local, origin: 'null', referer: 'http://localhost/alice/fn' };
    assert.equal(await status(ofNoOrigin, path), 401);
    assert.equal(await status({ ...local, referer: 'http://localhost/alice/fn' }, path, 'POST'), 401);
    assert.deepEqual(reached, []);

    assert.equal(await status({ ...local, referer: 'http://localhost/alice/fn' }, path), 200);
    assert.equal(await status({ ...local, origin: 'http://localhost' }, path, 'POST'), 200);
  });

  it('has its answers kept by no cache that others share, whatever it says of them', async () => {
    let said: Record<string, string | string[]> = {};
    await edge.upstream((_req, res) => res.writeHead(200, said).end('private'), 'cached');
    be('owner', 'cached');
    const told = async (headers: typeof said, access: FunctionAccess = 'owner') => {
      said = headers;
      be(access, 'cached');
      const { status: code, headers: got } = await edge.get('/cached', { headers: as('alice') });
      assert.equal(code, 200);
      return [got['cache-control'], got.vary, got['surrogate-control'], got['cdn-cache-control']];
    };
    const vary = 'Cookie, Authorization';
    assert.deepEqual(await told({}), ['private, no-store', vary, undefined, undefined]);
    const open = {
      'Cache-Control': ['Public, max-age=60', 's-maxage=600, private="set-cookie, x", immutable'],
      'Surrogate-Control': 'max-age=600',
      'CDN-Cache-Control': 'max-age=600',
      Vary: 'Accept, cookie',
    };
    assert.deepEqual(await told(open), [
      'private, max-age=60, immutable',
      'Accept, cookie, Authorization',
      undefined,
      undefined,
    ]);
    assert.deepEqual((await told({ 'Cache-Control': 'no-cache', Vary: '*' })).slice(0, 2), [
      'private, no-cache',
      '*',
    ]);
    assert.deepEqual((await told({ Connection: 'Cache-Control, Vary', ...open })).slice(0, 2), [
      'private, no-store',
      vary,
    ]);
    assert.deepEqual((await told({ 'Cache-Control': 'public, max-age=60' }, 'public')).slice(0, 2), [
      'public, max-age=60',
      undefined,
    ]);
  });

  it('neither asks for a body nor upgrades a connection before it knows who asks', async () => {
    const expecting = await edge.raw(
      'POST /fn HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    );
    assert.match(expecting, /^HTTP\/1\.1 401 /);
    const upgrade = await edge.raw(
      'GET /fn HTTP/1.1\r\nHost: alice.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    assert.match(upgrade, /^HTTP\/1\.1 401 /);
    assert.deepEqual(reached, []);
  });

  it('leaves public ones as they are: their Authorization is their own', async () => {
    be('public');
    assert.equal(await status({ ...host, authorization: 'Basic eDp5' }), 200);
    assert.equal(reached[0]?.authorization, 'Basic eDp5');
  });
});
