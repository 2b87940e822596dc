import assert from 'node:assert/strict';
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type JWTPayload, SignJWT } from 'jose';
import { openAuthDatabase } from '../auth-database.ts';
import { createKeyRing } from '../keys/key-ring.ts';
import { createFolderKeyStore } from '../keys/key-store-folder.ts';
import { createSqliteRevocationList } from './revocation-list-sqlite.ts';
import { createSessionTokens } from './session-tokens.ts';

const folder = await mkdtemp(join(tmpdir(), 'towline-sessions-'));
after(() => rm(folder, { recursive: true, force: true }));

const start = 1_800_000_000_000;
let now = start;
const clock = () => now;
const store = createFolderKeyStore({ folder, clock });
const keys = createKeyRing(store, clock);
const sessions = createSessionTokens({
  keys,
  revocations: createSqliteRevocationList(openAuthDatabase(':memory:')),
  issuer: 'http://localhost:8080',
  audience: 'http://localhost:8080',
  ttlMs: 60_000,
  clock,
});
const key = await keys.current();
const header = { alg: 'ES256', typ: 'towline-session+jwt', kid: key.kid };
const claims = {
  iss: 'http://localhost:8080',
  aud: 'http://localhost:8080',
  sub: 'owner-1',
  jti: 'one',
  iat: start / 1000,
  exp: start / 1000 + 60,
};
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sign = (payload: Record<string, unknown>, head: Record<string, unknown> = {}) =>
  new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ ...header, ...head })
    .sign(key.privateKey, { crit: { 'urn:x': true } });
const without = (name: keyof typeof claims) => {
  const { [name]: _left, ...rest } = claims;
  return rest;
};

describe('a session token', () => {
  it('is accepted as it was issued, and with the same claims signed by the same key', async () => {
    const { token, session } = await sessions.issue('owner-1');

    assert.deepEqual(await sessions.verify(token), session);
    assert.deepEqual(await sessions.verify(await sign(claims)), {
      ownerId: 'owner-1',
      jti: 'one',
      expiresAt: start + 60_000,
    });
  });

  it('is refused whatever claim is wrong or missing', async () => {
    const wrong: [string, Record<string, unknown>][] = [
      ['expired', { ...claims, exp: start / 1000 }],
      ['issued in the future', { ...claims, iat: start / 1000 + 61 }],
      ['not yet valid', { ...claims, nbf: start / 1000 + 61 }],
      ['a longer life than sessions have', { ...claims, iat: start / 1000 - 61, exp: start / 1000 + 600 }],
      ['another audience', { ...claims, aud: 'http://demo.localhost:8080' }],
      ['a list of audiences', { ...claims, aud: ['http://localhost:8080', 'http://evil.example'] }],
      ['another issuer', { ...claims, iss: 'http://evil.example' }],
      ['an issuer with a slash', { ...claims, iss: 'http://localhost:8080/' }],
      ['an empty subject', { ...claims, sub: '' }],
      ...(['iss', 'aud', 'sub', 'jti', 'iat', 'exp'] as const).map(
        (name): [string, Record<string, unknown>] => [`no ${name}`, without(name)],
      ),
    ];
    for (const [name, payload] of wrong) {
      assert.equal(await sessions.verify(await sign(payload)), undefined, name);
    }
  });

  it('is refused with any other header', async () => {
    const heads: Record<string, unknown>[] = [
      { typ: 'JWT' },
      { typ: undefined },
      { kid: undefined },
      { kid: '../../etc/passwd' },
      { kid: "' OR 1=1 --" },
      { kid: 'A'.repeat(43) },
      { jku: 'http://127.0.0.1:1/jwks.json' },
      { x5u: 'http://127.0.0.1:1/x.pem' },
      { jwk: key.publicJwk },
      { crit: ['urn:x'], 'urn:x': 1 },
    ];
    for (const head of heads) {
      assert.equal(await sessions.verify(await sign(claims, head)), undefined, JSON.stringify(head));
    }
  });

  it('is refused without a signature or with one of another algorithm', async () => {
    const unsigned = (alg: string) => `${part({ ...header, alg })}.${part(claims)}`;
    const publicPem = Buffer.from(JSON.stringify(key.publicJwk));
    const hmac = createHmac('sha256', publicPem).update(unsigned('HS256')).digest('base64url');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rs = createSign('sha256').update(unsigned('RS256')).sign(rsa.privateKey, 'base64url');
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const raw = createSign('sha256')
      .update(unsigned('ES256'))
      .sign({ key: foreign.privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url');
    const [head, body, signature] = (await sign(claims)).split('.') as [string, string, string];
    const tokens: Record<string, string> = {
      none: `${unsigned('none')}.`,
      None: `${unsigned('None')}.`,
      nOnE: `${unsigned('nOnE')}.AA`,
      'HS256 with the public key': `${unsigned('HS256')}.${hmac}`,
      RS256: `${unsigned('RS256')}.${rs}`,
      'a foreign key': `${unsigned('ES256')}.${raw}`,
      zeros: `${unsigned('ES256')}.${Buffer.alloc(64).toString('base64url')}`,
      truncated: `${head}.${body}.${signature.slice(0, -4)}`,
      longer: `${head}.${body}.${signature}AAAA`,
      padded: `${head}.${body}.${signature}==`,
      'four parts': `${head}.${body}.${signature}.x`,
      'five parts': `${head}.a.${body}.b.${signature}`,
      'another subject': `${head}.${part({ ...claims, sub: 'owner-2' })}.${signature}`,
      'not JSON': `${Buffer.from('{').toString('base64url')}.${body}.${signature}`,
      empty: '',
      words: 'hello',
      long: `${head}.${body}.${'A'.repeat(8_192)}`,
    };
    for (const [name, token] of Object.entries(tokens)) {
      assert.equal(await sessions.verify(token), undefined, name);
    }
  });

  it('is refused after it was revoked, for the rest of its life', async () => {
    const { token, session } = await sessions.issue('owner-1');

    sessions.revoke(session);

    assert.equal(await sessions.verify(token), undefined);
  });

  it('goes on after a rotation and ends when its key is retired', async () => {
    const { token } = await sessions.issue('owner-1');
    await store.rotate();
    now += 31_000;
    assert.ok(await sessions.verify(token));
    assert.notEqual((await keys.current()).kid, key.kid);

    await store.retire(key.kid);
    now += 30_000 - 2_000;
    await store.keys();
    now += 2_000;

    assert.equal(await sessions.verify(token), undefined);
  });
});
