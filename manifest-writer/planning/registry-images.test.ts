import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manifestOf, startRegistryFixture } from '../../runtime/registry/registry-fixture.ts';
import { openRegistryImages } from './registry-images.ts';

async function scene() {
  const fixture = await startRegistryFixture();
  const images = openRegistryImages({ scheme: 'http', registry: fixture.host, folder: [] }, undefined);
  const digest = fixture.push('alice/shop', '1', manifestOf('one'));
  return {
    fixture,
    images,
    digest,
    async [Symbol.asyncDispose]() {
      await images[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

describe('the images that can be rolled back to', () => {
  it('are those that the registry has', async () => {
    await using at = await scene();

    assert.equal(await at.images.has(`${at.fixture.host}/alice/shop:1@${at.digest}`), true);
    assert.equal(await at.images.has(`${at.fixture.host}/alice/shop:1@sha256:${'0'.repeat(64)}`), false);
  });

  it("are not known of another registry, which isn't asked", async () => {
    await using at = await scene();

    await assert.rejects(at.images.has(`127.0.0.1:1/alice/shop:1@${at.digest}`), { code: 'policy_refused' });
    assert.equal(at.fixture.seen.length, 0);
  });
});
