import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createHttpAuth } from '../../runtime/services/auth-http.ts';
import { listen, silent, tokens } from '../../runtime/services/call-fixture.ts';
import { parseServiceTokens } from '../../runtime/services/service-tokens.ts';
import { describeAuthService } from '../../test/contracts/auth-service.contract.ts';
import { createAuth } from '../index.ts';
import { gitHubClaims, startIssuer } from '../workloads/issuer-fixture.ts';
import { type CalledAuth, createAuthCalls } from './auth-calls.ts';

const publicOrigin = 'http://localhost:8080';
const once = { forMs: 0, firstMs: 1, maxMs: 1 };

async function inProcess() {
  const folder = await mkdtemp(join(tmpdir(), 'towline-auth-calls-'));
  const issuer = await startIssuer();
  const auth = await createAuth(
    {
      ...{ databasePath: join(folder, 'auth.db'), keysDir: join(folder, 'keys'), publicOrigin },
      ...{ ciIssuers: [`github=${issuer.issuer}`], ciKeys: { cooldownMs: 0 } },
    },
    { logger: silent },
  );
  const browser = await listen(auth.handle);
  return {
    auth,
    issuer: issuer.issuer,
    jobToken: () => issuer.sign(gitHubClaims(issuer.issuer, publicOrigin)),
    async logIn(ticket: string) {
      const response = await fetch(`${browser.url}/login?ticket=${ticket}`, { redirect: 'manual' });
      return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    },
    async [Symbol.asyncDispose]() {
      await browser[Symbol.asyncDispose]();
      await auth[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

async function overHttp(change: (auth: CalledAuth) => CalledAuth = (auth) => auth) {
  const local = await inProcess();
  const server = await listen(createAuthCalls(change(local.auth), { tokens, logger: silent }));
  const auth = createHttpAuth({ url: server.url, tokens });
  return {
    ...local,
    ...{ local: local.auth, auth, server },
    async [Symbol.asyncDispose]() {
      await auth[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await local[Symbol.asyncDispose]();
    },
  };
}

describeAuthService('auth in process', inProcess);
describeAuthService('auth over HTTP', () => overHttp());

const ann = { slug: 'ann', role: 'member' as const, name: 'Ann', email: 'ann@example.org' };

describe('auth over HTTP', () => {
  it('lets nobody in while it cannot be asked', async () => {
    await using it = await overHttp();
    const owner = await it.auth.createOwner(ann);
    const { token } = await it.auth.createToken({ ownerId: owner.id, name: 'ci', ttlMs: null });
    await it.server.kill();
    await using away = createHttpAuth({ url: it.server.url, tokens, retry: once });

    await assert.rejects(away.fromToken(token), { code: 'unavailable' });
    await assert.rejects(away.fromCookies('a=b'), { code: 'unavailable' });
    await assert.rejects(away.workloads.fromWorkloadToken('a.b.c'), { code: 'unavailable' });
    await it.server.restart();
    assert.equal((await it.auth.fromToken(token))?.ownerId, owner.id);
  });

  it('lets nobody in by an answer that is not quite one', async () => {
    const answers = [{}, { ownerId: 'x' }, { ownerId: '', role: 'operator' }, 'ann', true, null, []];
    const half = answers.map((answer) => async () => answer as never);
    await using it = await overHttp((auth) => ({
      ...auth,
      fromToken: () => (half.shift() ?? auth.fromToken)(''),
    }));
    await using hasty = createHttpAuth({ url: it.server.url, tokens, retry: once });

    while (half.length > 0) await assert.rejects(hasty.fromToken('t'), { code: 'unavailable' });
  });

  it('tells a person who is not logged in from a program that is not known', async () => {
    await using it = await overHttp();
    const strange = parseServiceTokens('s'.repeat(32));
    await using stranger = createHttpAuth({ url: it.server.url, tokens: strange, retry: once });

    assert.equal(await it.auth.fromToken('wrong'), undefined);
    await assert.rejects(stranger.fromToken('wrong'), { code: 'unavailable' });
  });

  it('makes no second owner or token when the answer is lost', async () => {
    let asked = 0;
    await using it = await overHttp((auth) => ({
      ...auth,
      async createToken(request) {
        asked += 1;
        const made = await auth.createToken(request);
        await it.server.restart();
        return made;
      },
    }));
    const owner = await it.auth.createOwner(ann);

    await assert.rejects(it.auth.createToken({ ownerId: owner.id, name: 'ci', ttlMs: null }), {
      code: 'unavailable',
    });
    assert.equal(asked, 1);
    assert.equal((await it.local.tokens(owner.id)).length, 1);
  });
});
