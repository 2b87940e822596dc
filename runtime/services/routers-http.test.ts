import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { routerContract } from '../../core/calls/router-calls.ts';
import type { RouterAnswer } from '../../core/routers.ts';
import { listen, silent, testToken, tokens } from './call-fixture.ts';
import { createCallServer } from './call-server.ts';
import { createHttpRouters } from './routers-http.ts';
import { parseServiceTokens } from './service-tokens.ts';

const wanted = `sha256:${'a'.repeat(64)}`;
const before = `sha256:${'b'.repeat(64)}`;
const target = { owner: 'alice', functionName: 'hello', digest: wanted };
const has: RouterAnswer = { isKnown: true, digest: wanted, stale: null };
const old: RouterAnswer = { isKnown: true, digest: before, stale: null };

const open = new Set<AsyncDisposable>();
afterEach(async () => {
  for (const one of [...open].reverse()) await one[Symbol.asyncDispose]();
  open.clear();
});

async function router(answer: () => RouterAnswer | Promise<RouterAnswer>) {
  const server = await listen(
    createCallServer(routerContract, { route: async () => answer() }, { tokens, logger: silent }),
  );
  open.add(server);
  return server;
}

function view(urls: readonly string[], more: Partial<Parameters<typeof createHttpRouters>[0]> = {}) {
  const routers = createHttpRouters({ urls, tokens, timeoutMs: 1_000, ...more });
  open.add(routers);
  return (asked: { digest: string | null } = target) =>
    routers.whyNotRouted({ ...target, ...asked }, new AbortController().signal);
}

describe('the view of all routers', () => {
  it('is that it is routed once every one of them has the digest, a stale table that has it included', async () => {
    let second: RouterAnswer = old;
    const [one, two] = [
      await router(() => ({ ...has, stale: { forMs: 90_000, cause: 'away' } })),
      await router(() => second),
    ];
    const whyNot = view([one.url, two.url]);
    assert.equal(await whyNot(), `the router 127.0.0.1:${two.port} still serves ${before}`);
    second = { isKnown: true, digest: null, stale: null };
    assert.match((await whyNot()) ?? '', / does not serve the function yet$/);
    second = { ...old, stale: { forMs: 90_000, cause: 'the API server is away' } };
    assert.match((await whyNot()) ?? '', / has not seen the cluster for 90 s: the API server is away$/);
    second = has;
    assert.equal(await whyNot(), undefined);
  });

  it('is that a removed function is gone once nobody knows it', async () => {
    let answer: RouterAnswer = { isKnown: true, digest: null, stale: null };
    const whyNot = view([(await router(() => answer)).url]);
    assert.match((await whyNot({ digest: null })) ?? '', / still knows the function$/);
    answer = { isKnown: false, digest: null, stale: null };
    assert.equal(await whyNot({ digest: null }), undefined);
  });

  it('is never "routed" while one does not answer, hangs, takes no token, or none is there', async () => {
    const fine = await router(() => has);
    const gone = await router(() => has);
    await gone.kill();
    const silence = await listen(() => undefined);
    open.add(silence);
    for (const bad of [gone, silence]) {
      const why = (await view([fine.url, bad.url])()) ?? '';
      assert.ok(why.startsWith(`the router 127.0.0.1:${bad.port} does not say what it routes: `), why);
    }
    const stranger = parseServiceTokens('x'.repeat(40));
    assert.match((await view([fine.url], { tokens: stranger })()) ?? '', /does not say .*not accepted/);
    assert.equal(await view([fine.url], { addressesOf: async () => [] })(), 'no router is ready');
    const unresolved = async () => Promise.reject(new Error('EAI_AGAIN'));
    assert.equal(
      await view([fine.url], { addressesOf: unresolved })(),
      'the routers cannot be found: EAI_AGAIN',
    );
  });

  it('asks every address of a name', async () => {
    const { port } = await router(() => has);
    const asked: string[] = [];
    const whyNot = view([`http://router-calls:${port}`], {
      async addressesOf(hostname) {
        asked.push(hostname);
        // Nothing listens at the second.
        return ['127.0.0.1', '127.0.0.2'];
      },
    });
    assert.match((await whyNot()) ?? '', new RegExp(`^the router 127\\.0\\.0\\.2:${port} does not say`));
    assert.deepEqual(asked, ['router-calls']);
  });

  it('gives up with the reason of who no longer asks', async () => {
    const { url } = await router(() => new Promise<RouterAnswer>(() => undefined));
    const routers = createHttpRouters({ urls: [url], tokens });
    open.add(routers);
    const asking = new AbortController();
    const answer = routers.whyNotRouted(target, asking.signal);
    asking.abort(new Error('stopped'));
    await assert.rejects(answer, /^Error: stopped$/);
  });
});

describe("a router's token", () => {
  it('is not the one that opens everything', () => {
    const ofBuilder = parseServiceTokens(`${'m'.repeat(40)}\n${testToken} build-service/pending`);
    assert.equal(ofBuilder.accepts(testToken, 'router/route'), false);
    assert.equal(ofBuilder.accepts(testToken, 'build-service/pending'), true);
  });
});
