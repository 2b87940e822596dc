import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  type Artifact,
  type PublishingPlane,
  type PublishingScene,
  startPublishingPlane,
} from './publisher-fixture.ts';

let plane: PublishingPlane;
before(async () => {
  plane = await startPublishingPlane();
});
after(() => plane[Symbol.asyncDispose]());

describe('publishing what sets tenants up', () => {
  const open = ({ publisher }: PublishingScene) =>
    publisher('artifacts', 3_600_000, ['default', 'staging'], true);
  const archived = async (artifact: Artifact) =>
    gunzipSync(Buffer.from(await (await fetch(artifact.status.artifact.url)).arrayBuffer())).toString(
      'latin1',
    );

  it('is an artifact for each file, and what applies it as the account of the set-ups', async (t) => {
    const made = await plane.scene(t);
    await made.edit({
      'flux/tenants/alice.yaml': 'of: alice\n',
      'flux/tenants/alice.staging.yaml': 'of: staging\n',
      'flux/tenants/README.md': 'not one\n',
      'flux/tenants/deep/bob.yaml': 'not one\n',
      'flux/tenants/eve.live.yaml': 'of another cluster\n',
      'flux/tenants/auth.yaml': 'no owner\n',
    });
    await (await open(made)).look();
    assert.match(await archived(await made.setUp('alice')), /manifests\.yaml[\s\S]*of: alice/);
    assert.match(await archived(await made.setUp('alice.staging')), /of: staging/);
    const { spec } = await made.follower('alice.staging');
    assert.deepEqual(spec.sourceRef, { kind: 'ExternalArtifact', name: 'set-up-alice.staging' });
    assert.deepEqual([spec.serviceAccountName, spec.prune], ['tenants', true]);
    const { items } = await plane.api.request<{ items: Artifact[] }>(made.path);
    const names = items.map(({ metadata }) => metadata.name).sort();
    assert.deepEqual(names, ['set-up-alice', 'set-up-alice.staging']);
  });

  it('costs a new tenant the same, however many there are', async (t) => {
    const made = await plane.scene(t);
    const files = (owner: string) => ({
      [`flux/tenants/${owner}.yaml`]: `of: ${owner}\n`,
      [`tenants/${owner}/hello.yaml`]: `a: ${owner}\n`,
    });
    await made.edit({ ...files('alice'), ...files('bob'), ...files('carol') });
    const { look } = await open(made);
    await look();
    made.writes.length = 0;
    await made.edit(files('dan'));
    await look();
    assert.deepEqual([...new Set(made.writes)].sort(), ['POST', 'set-up-dan', 'tenant-dan']);
    assert.equal(made.writes.length, 5);
    made.writes.length = 0;
    await made.edit({ 'tenants/dan/hello.yaml': 'a: 2\n' });
    await look();
    assert.deepEqual(made.writes, ['tenant-dan']);
  });

  it('is handed over empty once its file is gone, so that Flux takes away what it made', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    const { look } = await open(made);
    await look();
    await made.edit({ 'flux/tenants/alice.yaml': null });
    await look();
    const artifact = await made.setUp('alice');
    assert.equal(artifact.status.artifact.metadata['towline.dev/tree'], '');
    assert.doesNotMatch(await archived(artifact), /manifests/);
  });

  it('is left to others unless it is asked for', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n', 'tenants/alice/hello.yaml': 'a: 1\n' });
    await (await made.publisher()).look();
    await assert.rejects(made.setUp('alice'), /not found/);
    await assert.rejects(made.follower('alice'), /not found/);
  });

  it('holds up no folder while it cannot be handed over', async (t) => {
    const made = await plane.scene(t);
    const tooLarge = `a: ${'x'.repeat(1_000_000)}\n`;
    await made.edit({ 'flux/tenants/alice.yaml': tooLarge, 'tenants/alice/hello.yaml': 'a: 1\n' });
    const { look } = await open(made);
    await assert.rejects(look());
    assert.ok(await made.artifact('alice'));
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    await look();
    assert.match(await archived(await made.setUp('alice')), /of: alice/);
  });
});
