import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { until } from '../../test/cluster/kubernetes/apply.ts';
import {
  type Artifact,
  type PublishingPlane,
  type PublishingScene,
  startPublishingPlane,
} from './publisher-fixture.ts';
import type { PublishingConfig } from './tenant-publisher.ts';

let plane: PublishingPlane;
before(async () => {
  plane = await startPublishingPlane();
});
after(() => plane[Symbol.asyncDispose]());

const open = ({ publisher }: PublishingScene, more: Partial<PublishingConfig> = {}) =>
  publisher('artifacts', 3_600_000, ['default', 'staging'], true, more);
const archived = async (artifact: Artifact) =>
  gunzipSync(Buffer.from(await (await fetch(artifact.status.artifact.url)).arrayBuffer())).toString('latin1');

describe('publishing what sets tenants up', () => {
  it('is an artifact for each file, and what applies it as the account of the set-ups', async (t) => {
    const made = await plane.scene(t);
    await made.edit({
      'flux/tenants/alice.yaml': 'of: alice\n',
      'flux/tenants/alice.staging.yaml': 'of: staging\n',
      'flux/tenants/README.md': 'not one\n',
      'flux/tenants/deep/bob.yaml': 'not one\n',
      'flux/tenants/eve.live.yaml': 'of another cluster\n',
      'flux/tenants/auth.yaml': 'no owner\n',
      'flux/tenants/carol.yml': 'of: carol\n',
      'flux/tenants/kustomization.yaml': 'a: command\n',
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
    const told = made.told.map(({ path }) => path?.slice('flux/tenants/'.length)).sort();
    assert.deepEqual(told, [
      'auth.yaml',
      'carol.yml',
      'deep/bob.yaml',
      'eve.live.yaml',
      'kustomization.yaml',
    ]);
  });

  it('tells once of what is not handed over', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/carol.yml': 'of: carol\n' });
    const { look } = await open(made);
    for (const text of ['a: 1\n', 'a: 2\n']) {
      await made.edit({ 'tenants/alice/hello.yaml': text });
      await look();
    }
    assert.equal(made.told.length, 1);
  });

  it('is nothing that a writer would find which knows folders alone', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n', 'tenants/alice/hello.yaml': 'a: 1\n' });
    await (await open(made)).look();
    const query = { labelSelector: 'towline.dev/tenant' };
    const { items } = await plane.api.request<{ items: Artifact[] }>(made.path, { query });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['tenant-alice'],
    );
    const labels = { 'towline.dev/set-up': 'alice', 'towline.dev/environment': 'default' };
    assert.deepEqual((await made.setUp('alice')).metadata.labels, labels);
    assert.deepEqual((await made.follower('alice')).metadata.labels, labels);
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

describe('what applies a set-up', () => {
  const remove = (path: string) => plane.api.request(path, { method: 'DELETE' });

  it('is made again when somebody has deleted it, after a while', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    const { look } = await open(made, { followEveryMs: 0 });
    await look();
    const before = await made.follower('alice');
    assert.deepEqual(made.told, []);
    await remove(`${made.kustomizations}/set-up-alice`);
    await look();
    assert.notEqual((await made.follower('alice')).metadata.uid, before.metadata.uid);
    assert.deepEqual(
      made.told.map(({ msg, name }) => [msg, name]),
      [['the Kustomization of a set-up was gone: it is made again', 'set-up-alice']],
    );
  });

  it('is put right when somebody has changed it, after a while', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    const { look } = await open(made, { followEveryMs: 0 });
    await look();
    await plane.api.request(`${made.kustomizations}/set-up-alice`, {
      ...{ method: 'PATCH', patch: 'merge', body: { spec: { serviceAccountName: 'platform' } } },
    });
    await look();
    assert.equal((await made.follower('alice')).spec.serviceAccountName, 'tenants');
    assert.match(made.told[0]?.msg ?? '', /was changed: it is put right/);
  });

  it('is made again with its artifact, as in a cluster that was made anew', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n', 'flux/tenants/bob.yaml': 'of: bob\n' });
    const { look } = await open(made);
    await look();
    for (const owner of ['alice', 'bob']) {
      await remove(`${made.path}/set-up-${owner}`);
      await remove(`${made.kustomizations}/set-up-${owner}`);
    }
    for (const owner of ['alice', 'bob']) {
      await until(async () => {
        await look();
        return made.follower(owner).then(
          () => true,
          () => false,
        );
      }, `what applies ${owner}'s set-up`);
      assert.match(await archived(await made.setUp(owner)), new RegExp(`of: ${owner}`));
    }
  });

  it('stays away once its set-up is gone and somebody has deleted it', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    const { look } = await open(made, { followEveryMs: 0 });
    await look();
    await made.edit({ 'flux/tenants/alice.yaml': null });
    await look();
    await remove(`${made.kustomizations}/set-up-alice`);
    await look();
    await assert.rejects(made.follower('alice'), /not found/);
  });
});

describe('a set-up without a file', () => {
  /** Alice is set up; then the branch is something else, and was looked at. */
  async function afterwards(
    t: TestContext,
    change: (made: PublishingScene, start: string) => Promise<unknown>,
  ) {
    const made = await plane.scene(t);
    const start = (await made.person.git('rev-parse', 'HEAD')).trim();
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    const { look } = await open(made);
    await look();
    const before = await made.setUp('alice');
    await change(made, start);
    await look().catch(() => {});
    const isKept = async () => {
      const now = await made.setUp('alice');
      assert.equal(now.metadata.resourceVersion, before.metadata.resourceVersion);
      assert.match(await archived(now), /of: alice/);
    };
    return { ...made, look, isKept };
  }
  async function force({ person, fixture }: PublishingScene, from: string): Promise<void> {
    await fixture.git(fixture.remote, 'config', 'receive.denyNonFastForwards', 'false');
    await person.git('push', '--quiet', '--force', 'origin', `${from}:main`);
  }
  async function unrelated(made: PublishingScene): Promise<void> {
    const { git } = made.person;
    const tree = (await git('hash-object', '-t', 'tree', '-w', '/dev/null')).trim();
    await force(made, (await git('commit-tree', '-m', 'another', tree)).trim());
  }

  it('is kept where the branch is of a time before it, and told of', async (t) => {
    const { isKept, told } = await afterwards(t, force);
    await isKept();
    assert.deepEqual(
      told.map(({ msg, name }) => [msg, name]),
      [['a set-up without a file is kept: put the file back, and remove it with a commit', 'set-up-alice']],
    );
    assert.match(told[0]?.problem ?? '', /the branch does not have the commit/);
  });

  it('is kept where the branch is of another history', async (t) => {
    const { isKept, told, look, publisher } = await afterwards(t, unrelated);
    await isKept();
    await look();
    assert.equal(told.length, 1);
    // A writer that begins with that look, too.
    await (await publisher('other', 3_600_000, ['default'], true)).look();
    await isKept();
  });

  it('is kept where the branch is gone', async (t) => {
    const { isKept } = await afterwards(t, ({ fixture }) =>
      fixture.git(fixture.remote, 'update-ref', '-d', 'refs/heads/main'),
    );
    await isKept();
  });

  it('is kept where its file was only moved to where nobody reads it', async (t) => {
    for (const name of ['alice.yml', 'team/alice.yaml']) {
      const { isKept, told } = await afterwards(t, ({ edit }) =>
        edit({ 'flux/tenants/alice.yaml': null, [`flux/tenants/${name}`]: 'of: alice\n' }),
      );
      await isKept();
      assert.match(told.at(-1)?.problem ?? '', /may be it, and is not read/);
    }
  });

  it('goes once its file was put back and removed', async (t) => {
    const made = await afterwards(t, unrelated);
    await made.person.git('fetch', '--quiet');
    await made.person.git('reset', '--quiet', '--hard', 'origin/main');
    await made.edit({ 'flux/tenants/alice.yaml': 'of: alice\n' });
    await made.look();
    await made.edit({ 'flux/tenants/alice.yaml': null });
    await made.look();
    assert.doesNotMatch(await archived(await made.setUp('alice')), /manifests/);
  });

  it('goes also with an environment that is not served any more, but not before its file', async (t) => {
    const made = await plane.scene(t);
    await made.edit({ 'flux/tenants/alice.staging.yaml': 'of: staging\n' });
    const first = await open(made);
    await first.look();
    await first.close();
    const { look } = await made.publisher('after', 3_600_000, ['default'], true);
    await look();
    assert.notEqual((await made.setUp('alice.staging')).status.artifact.metadata['towline.dev/tree'], '');
    await made.edit({ 'flux/tenants/alice.staging.yaml': null });
    await look();
    assert.doesNotMatch(await archived(await made.setUp('alice.staging')), /manifests/);
  });
});
