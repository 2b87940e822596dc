import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IdentityProvider } from './identity-provider.ts';

/** `valid` gives the parameters of a login that must succeed as `ownerId`, new ones each time. */
export interface ProviderSubject {
  provider: IdentityProvider;
  ownerId: string;
  valid(): Promise<{ parameters: URLSearchParams; attempt: string | undefined }>;
}

/** What every identity provider does. */
export function describeIdentityProvider(name: string, makeSubject: () => Promise<ProviderSubject>): void {
  describe(`${name} as an identity provider`, () => {
    const signal = new AbortController().signal;

    it('identifies the owner who brings what it takes', async () => {
      const { provider, ownerId, valid } = await makeSubject();

      assert.deepEqual(await provider.complete({ ...(await valid()), signal }), {
        type: 'identified',
        ownerId,
      });
    });

    it('refuses a callback that was used before', async () => {
      const { provider, valid } = await makeSubject();
      const callback = { ...(await valid()), signal };
      await provider.complete(callback);

      assert.equal((await provider.complete(callback)).type, 'refused');
    });

    it('identifies only once when the same callback comes in many times at once', async () => {
      const { provider, valid } = await makeSubject();
      const callback = { ...(await valid()), signal };

      const outcomes = await Promise.all(Array.from({ length: 8 }, () => provider.complete(callback)));

      assert.equal(outcomes.filter((outcome) => outcome.type === 'identified').length, 1);
    });

    it('refuses when any of the parameters is changed or doubled', async () => {
      const { provider, valid } = await makeSubject();
      for (const key of (await valid()).parameters.keys()) {
        for (const spoil of [
          (parameters: URLSearchParams) => parameters.set(key, 'A'.repeat(43)),
          (parameters: URLSearchParams) => parameters.set(key, ''),
          (parameters: URLSearchParams) => parameters.append(key, parameters.get(key)!),
        ]) {
          const callback = { ...(await valid()), signal };
          spoil(callback.parameters);
          assert.equal((await provider.complete(callback)).type, 'refused', `${key}: ${callback.parameters}`);
        }
      }
    });

    it('leaves a visit without any parameters to the login page', async () => {
      const { provider } = await makeSubject();

      const outcome = await provider.complete({
        parameters: new URLSearchParams(),
        attempt: undefined,
        signal,
      });

      assert.deepEqual(outcome, { type: 'not-for-me' });
      assert.ok(provider.instructions.length > 0);
    });
  });
}
