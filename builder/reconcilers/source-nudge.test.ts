import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNudge } from './source-nudge.ts';

const retry = { firstMs: 1, maxMs: 2, attempts: 3 };

describe('a nudge', () => {
  it('is one more after the one on its way, however often it is asked for', async () => {
    const sending: (() => void)[] = [];
    const again = Promise.withResolvers<void>();
    await using nudge = createNudge({
      send: () =>
        new Promise<void>((resolve) => {
          sending.push(resolve);
          if (sending.length === 2) again.resolve();
        }),
      onLost: assert.fail,
    });
    for (let asked = 0; asked < 100; asked++) nudge();
    assert.equal(sending.length, 1);
    sending[0]?.();
    await again.promise;
    sending[1]?.();
    await new Promise(setImmediate);
    assert.equal(sending.length, 2);
  });

  it('is tried again, and told as lost after a few tries', async () => {
    const lost = Promise.withResolvers<unknown>();
    let tries = 0;
    await using nudge = createNudge({
      retry,
      onLost: lost.resolve,
      async send() {
        tries += 1;
        throw new Error('away');
      },
    });
    nudge();
    assert.match(String(await lost.promise), /away/);
    assert.equal(tries, 3);
  });

  it('is not sent any more once it is stopped', async () => {
    let tries = 0;
    const nudge = createNudge({
      retry: { ...retry, attempts: 1_000_000 },
      onLost: assert.fail,
      async send() {
        tries += 1;
        throw new Error('away');
      },
    });
    nudge();
    await nudge[Symbol.asyncDispose]();
    const before = tries;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(tries, before);
  });
});
