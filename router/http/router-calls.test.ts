import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Unseen } from '../../core/catalog.ts';
import { listen, silent, tokens } from '../../runtime/services/call-fixture.ts';
import { createHttpRouters } from '../../runtime/services/routers-http.ts';
import { createRouterCalls } from './router-calls.ts';

describe('what a router says of its table', () => {
  it('is never that a function is gone whose owner it has not seen', async () => {
    let unseen: Unseen | undefined = { cause: 'the namespace tenant-alice cannot be read', isBlank: true };
    const table = {
      lookup: () => undefined,
      unseen: () => unseen,
      state: () => ({ type: 'following' }) as const,
    };
    const { signal } = new AbortController();
    await using server = await listen(createRouterCalls(() => table, { tokens, logger: silent }));
    await using routers = createHttpRouters({ urls: [server.url], tokens, timeoutMs: 5_000 });
    const whyNot = () =>
      routers.whyNotRouted({ owner: 'alice', functionName: 'hello', digest: null }, signal);
    assert.match(
      (await whyNot()) ?? '',
      /does not say what it routes: it has not seen alice yet: the namespace tenant-alice cannot be read$/,
    );
    unseen = { cause: 'the API server is away', isBlank: false };
    assert.equal(await whyNot(), undefined);
    unseen = undefined;
    assert.equal(await whyNot(), undefined);
  });
});
