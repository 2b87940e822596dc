import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, rm, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../../test/cluster/kubernetes/apply.ts';
import { deployIntent } from '../gitops-fixture.ts';
import { listen, type PublishingPlane, startPublishingPlane } from './publisher-fixture.ts';

let plane: PublishingPlane;
before(async () => {
  plane = await startPublishingPlane();
});
after(() => plane[Symbol.asyncDispose]());

const origin = 'org.opencontainers.image.revision';

describe('publishing tenants', () => {
  it('says what the artifact is, and what commit it was made from', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    const commit = await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    await (await publisher()).look();
    const { status } = await artifact('alice');
    assert.match(status.artifact.revision, /^latest@sha256:[0-9a-f]{64}$/);
    assert.equal(status.artifact.revision, `latest@${status.artifact.digest}`);
    assert.equal(status.artifact.metadata[origin], `main@sha1:${commit}`);
    assert.ok(status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
    assert.equal((await fetch(status.artifact.url)).status, 200);
  });

  it('leaves alone whom a commit did not change', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n', 'tenants/bob/hello.yaml': 'b: 1\n' });
    const { look } = await publisher();
    await look();
    const before = await artifact('bob');
    await edit({ 'tenants/alice/hello.yaml': 'a: 2\n' });
    await look();
    assert.equal((await artifact('bob')).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('holds nobody up, and writes nobody else’s again, while a folder cannot be packed', async (t) => {
    const { edit, artifact, publisher, writes, fixture } = await plane.scene(t);
    await edit({
      'tenants/alice/hello.yaml': 'a: 1\n',
      'tenants/bob/hello.yaml': 'b: 1\n',
      'tenants/carol/hello.yaml': 'c: 1\n',
    });
    const { look } = await publisher();
    await look();
    const before = await artifact('alice');
    await edit({ 'tenants/alice/big.yaml': `# ${'x'.repeat(1_500_000)}\n` });
    await assert.rejects(look());
    writes.length = 0;
    for (const owner of ['bob', 'carol', 'bob']) {
      const commit = await edit({ [`tenants/${owner}/hello.yaml`]: `is: ${writes.length}\n` });
      await assert.rejects(look());
      assert.equal((await artifact(owner)).status.artifact.metadata[origin], `main@sha1:${commit}`);
    }
    assert.deepEqual(writes, ['tenant-bob', 'tenant-carol', 'tenant-bob']);

    // What is gone from disk must not be what the cluster still fetches.
    const longAgo = new Date(Date.now() - 3_600_000);
    const dir = join(fixture.folder, 'artifacts');
    for (const name of await readdir(dir)) await utimes(join(dir, name), longAgo, longAgo);
    await assert.rejects(look());
    assert.equal((await readdir(dir)).length, 3);
    assert.equal((await fetch((await artifact('alice')).status.artifact.url)).status, 200);
    assert.equal((await artifact('alice')).metadata.resourceVersion, before.metadata.resourceVersion);

    writes.length = 0;
    const mended = await edit({ 'tenants/alice/big.yaml': null });
    await look();
    assert.equal((await artifact('alice')).status.artifact.metadata[origin], `main@sha1:${mended}`);
    assert.deepEqual(writes, ['tenant-alice']);
  });

  it('keeps what the cluster has of a folder that cannot be packed since this process began', async (t) => {
    const { edit, artifact, publisher, fixture } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n', 'tenants/bob/hello.yaml': 'b: 1\n' });
    const first = await publisher();
    await first.look();
    await first.close();
    const dir = join(fixture.folder, 'artifacts');
    const { digest } = (await artifact('alice')).status.artifact;
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const name of await readdir(dir)) await utimes(join(dir, name), longAgo, longAgo);
    await edit({ 'tenants/alice/big.yaml': `# ${'x'.repeat(1_500_000)}\n` });
    await assert.rejects((await publisher()).look());
    assert.ok((await readdir(dir)).includes(`${digest.slice('sha256:'.length)}.tar.gz`));
  });

  it('tells of a newer commit that ends where it began, without a new revision', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    const { look } = await publisher();
    await look();
    const before = await artifact('alice');
    await edit({ 'tenants/alice/hello.yaml': 'a: 2\n' });
    const commit = await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    await look();
    const { status } = await artifact('alice');
    assert.equal(status.artifact.revision, before.status.artifact.revision);
    assert.equal(status.artifact.metadata[origin], `main@sha1:${commit}`);
  });

  it('finds what others pushed by itself, and what happened while it was away', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    const first = await publisher('artifacts', 50);
    await first.look();
    const isOf = (commit: string) => async () =>
      (await artifact('alice')).status.artifact.metadata[origin] === `main@sha1:${commit}`;
    await until(isOf(await edit({ 'tenants/alice/hello.yaml': 'a: 2\n' })), 'the push to be seen');
    await first.close();
    const commit = await edit({ 'tenants/alice/hello.yaml': 'a: 3\n' });
    await (await publisher()).look();
    assert.equal(await isOf(commit)(), true);
  });

  it('puts right what somebody else writes into an artifact', async (t) => {
    const { edit, artifact, publisher, path } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    await (await publisher()).look();
    const before = await artifact('alice');
    const digest = `sha256:${'6'.repeat(64)}`;
    const theirs = { url: 'http://evil.test/x.tar.gz', digest, revision: `latest@${digest}` };
    await plane.api.request(`${path}/tenant-alice/status`, {
      ...{ method: 'PATCH', patch: 'merge', body: { status: { artifact: theirs } } },
    });
    await until(async () => {
      const { status } = await artifact('alice');
      return status.artifact.digest === before.status.artifact.digest;
    }, 'the repair');
    assert.equal((await artifact('alice')).status.artifact.url, before.status.artifact.url);
  });

  it('does not take back what another writer published of a newer commit', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    const slow = await publisher('slow');
    await slow.look();
    const newer = await edit({ 'tenants/alice/hello.yaml': 'a: 2\n' });
    const fast = await publisher('fast');
    await fast.look();
    const published = await artifact('alice');
    assert.equal(published.status.artifact.metadata[origin], `main@sha1:${newer}`);
    slow.pushed();
    await slow.look();
    await fast.look();
    const { revision } = (await artifact('alice')).status.artifact;
    assert.equal(revision, published.status.artifact.revision);
  });

  it('gives a tenant whose folder is gone nothing at all', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n', 'tenants/bob/hello.yaml': 'b: 1\n' });
    await (await publisher('before')).look();
    await edit({ 'tenants/alice/hello.yaml': null });
    await (await publisher('after')).look();
    const { status } = await artifact('alice');
    assert.equal(status.artifact.metadata['towline.dev/tree'], '');
    assert.equal((await fetch(status.artifact.url)).status, 200);
  });

  it('hands over the folders of the environments that the cluster serves, each as its own', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({
      'tenants/alice/hello.yaml': 'a: 1\n',
      'environments/staging/tenants/alice/hello.yaml': 's: 1\n',
      'environments/elsewhere/tenants/alice/hello.yaml': 'e: 1\n',
    });
    const { look } = await publisher('both', 3_600_000, ['default', 'staging']);
    await look();
    const before = await artifact('alice');
    assert.notEqual((await artifact('alice.staging')).status.artifact.digest, before.status.artifact.digest);
    await assert.rejects(artifact('alice.elsewhere'), /404|not found/);
    const commit = await edit({ 'environments/staging/tenants/alice/hello.yaml': 's: 2\n' });
    await look();
    const { status } = await artifact('alice.staging');
    assert.equal(status.artifact.metadata[origin], `main@sha1:${commit}`);
    assert.equal((await artifact('alice')).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('leaves what another cluster’s publisher hands over alone', async (t) => {
    const { edit, artifact, publisher } = await plane.scene(t);
    await edit({ 'environments/staging/tenants/alice/hello.yaml': 's: 1\n' });
    await (await publisher('staging', 3_600_000, ['staging'])).look();
    const before = await artifact('alice.staging');
    await (await publisher('first')).look();
    assert.equal((await artifact('alice.staging')).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('makes archives again that were lost', async (t) => {
    const { edit, artifact, publisher, fixture } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    const first = await publisher();
    await first.look();
    const { digest } = (await artifact('alice')).status.artifact;
    await first.close();
    await rm(join(fixture.folder, 'artifacts'), { recursive: true });
    await (await publisher()).look();
    const { status } = await artifact('alice');
    assert.equal(status.artifact.digest, digest);
    assert.equal((await fetch(status.artifact.url)).status, 200);
  });

  it('makes an archive again that a crash has left torn', async (t) => {
    const { edit, artifact, publisher, fixture } = await plane.scene(t);
    await edit({ 'tenants/alice/hello.yaml': 'a: 1\n' });
    const first = await publisher();
    await first.look();
    const { digest } = (await artifact('alice')).status.artifact;
    await first.close();
    await truncate(join(fixture.folder, 'artifacts', `${digest.slice('sha256:'.length)}.tar.gz`), 10);
    await (await publisher()).look();
    const { url } = (await artifact('alice')).status.artifact;
    const served = Buffer.from(await (await fetch(url)).arrayBuffer());
    assert.equal(`sha256:${createHash('sha256').update(served).digest('hex')}`, digest);
  });

  it('follows the pushes of the writer that it belongs to', async (t) => {
    const { fixture, artifact, namespace } = await plane.scene(t);
    const dir = join(fixture.folder, 'artifacts');
    const publishing = { namespace, branch: 'main', dir, listen, lookEveryMs: 3_600_000 };
    const writer = await fixture.writer({ publishing }, Date.now, { cluster: plane.api });
    const outcome = await writer.deploy(deployIntent());
    assert.ok(outcome.type === 'pushed');
    await until(
      async () =>
        (await artifact('alice')).status.artifact.metadata[origin] === `main@sha1:${outcome.commit}`,
      'the deploy to be published',
    );
  });
});
