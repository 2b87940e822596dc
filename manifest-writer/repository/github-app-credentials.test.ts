import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { jwtVerify } from 'jose';
import { TowlineError } from '../../core/errors.ts';
import { githubAppCredentials } from './github-app-credentials.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const signal = new AbortController().signal;

async function github(t: TestContext, answer: (count: number) => { status: number; body: string }) {
  const asked: { path: string | undefined; authorization: string }[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push({
      path: `${incoming.method} ${incoming.url}`,
      authorization: incoming.headers.authorization ?? '',
    });
    const { status, body } = answer(asked.length);
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { asked, apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const hour = 3_600_000;

test('a token is made with the App’s key, kept until shortly before its end, and made anew if it is rejected', async (t) => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  const { asked, apiUrl } = await github(t, (count) => ({
    status: 201,
    body: JSON.stringify({ token: `ghs_${count}`, expires_at: new Date(now + hour).toISOString() }),
  }));
  const provider = githubAppCredentials({
    appId: '17',
    installationId: '42',
    privateKey: pem,
    apiUrl,
    clock: () => now,
  });
  const password = async (rejected = false) => (await provider({ rejected, signal })).password;
  assert.deepEqual(await Promise.all([password(), password()]), ['ghs_1', 'ghs_1']);
  assert.deepEqual(await provider({ rejected: false, signal }), {
    username: 'x-access-token',
    password: 'ghs_1',
  });
  now += hour - 6 * 60_000;
  assert.equal(await password(), 'ghs_1');
  now += 2 * 60_000;
  assert.equal(await password(), 'ghs_2');
  assert.equal(await password(true), 'ghs_3');
  assert.equal(asked[0]?.path, 'POST /app/installations/42/access_tokens');
  const jwt = (asked[0]?.authorization ?? '').replace('Bearer ', '');
  const options = { issuer: '17', algorithms: ['RS256'], currentDate: new Date('2026-01-01T00:00:00Z') };
  const { payload } = await jwtVerify(jwt, publicKey, options);
  assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 600);
});

test('an answer that is none is unavailable, without a word of what was sent', async (t) => {
  const answers = [
    { status: 401, body: '{"message":"Bad credentials"}' },
    { status: 201, body: '{"token":""}' },
    { status: 201, body: 'x'.repeat(100_000) },
    { status: 201, body: 'not json' },
  ];
  const { apiUrl } = await github(t, (count) => answers[count - 1] ?? { status: 500, body: '' });
  const provider = githubAppCredentials({ appId: '17', installationId: '42', privateKey: pem, apiUrl });
  for (const _ of answers) {
    await assert.rejects(
      provider({ rejected: false, signal }),
      (error) =>
        error instanceof TowlineError && error.code === 'remote_unavailable' && !error.message.includes('ey'),
    );
  }
});

test('a key or an id that is none is refused at once, without showing it', () => {
  const config = { appId: '17', installationId: '42', privateKey: pem };
  for (const wrong of [{ privateKey: 'secret nonsense' }, { installationId: '../x' }, { appId: '' }]) {
    assert.throws(
      () => githubAppCredentials({ ...config, ...wrong }),
      (error) =>
        error instanceof TowlineError &&
        error.code === 'config_invalid' &&
        !/secret nonsense/.test(error.message),
    );
  }
});
