import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyConfiguration } from '../../core/function-spec.ts';
import type { AnnouncedImage } from '../../core/images.ts';
import type { DeployIntent } from '../../core/manifest-writer.ts';
import { createHttpImageRegistry } from '../../runtime/registry/image-registry-http.ts';
import { manifestOf, startRegistryFixture } from '../../runtime/registry/registry-fixture.ts';
import { createPlatform, stackFiles, summary } from '../pipeline/platform-in-memory.test.ts';
import { createPrebuiltImages } from '../prebuilt/prebuilt-images-registry.ts';

const commit = (digit: string) => digit.repeat(40);

async function setUp(options: { runsImages?: boolean; config?: object } = {}) {
  const fixture = await startRegistryFixture();
  const registry = createHttpImageRegistry(
    {
      of: async () => ({
        allowed: [{ scheme: 'http', registry: fixture.host, folder: ['team'] }],
        credentials: () => undefined,
      }),
    },
    { maxTries: 1, timeoutMs: 2000 },
  );
  const target = { registry: 'own.registry', runsImages: options.runsImages ?? true };
  const prebuilt = createPrebuiltImages({ registry, target });
  const platform = await createPlatform({ prebuilt, config: options.config ?? {} });
  const announce = (more: Partial<AnnouncedImage>) =>
    platform.builder().announce({
      ...{ owner: 'alice', ownerId: 'id-alice', functionName: 'shop', scm: 'github', image: '' },
      repository: { id: '74', name: 'shop', url: 'https://github.com/acme/shop', private: true },
      ...{ commit: commit('1'), ref: 'refs/heads/main', before: null, subject: 'Fix it', run: null },
      actor: { name: 'Ann', email: 'ann@example.org', login: 'ann' },
      configuration: null,
      ...more,
    });
  return {
    ...{ fixture, platform, announce },
    /** An image that is in the registry. */
    image(content: string) {
      const digest = fixture.push('team/shop', 'x', manifestOf(content));
      return `${fixture.host}/team/shop@${digest}`;
    },
    /** Announces it and waits for its end. */
    async deliver(more: Partial<AnnouncedImage>) {
      const { id } = await announce(more);
      await platform.builder().drain();
      const push = await platform.builder().push(id);
      assert.ok(push);
      return push;
    },
    source: () => platform.writer.sourceOf('alice', 'shop')?.slice(0, 1),
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

describe('an announced image', () => {
  it('is checked, committed and followed like a push, without a build', async () => {
    await using it = await setUp();
    const image = it.image('one');
    const push = await it.deliver({ image });
    assert.deepEqual(summary(push), { shop: 'live' });
    const [deploy] = push.deploys;
    assert.equal(deploy?.image, image);
    assert.equal(deploy?.sourceSubject, 'Fix it');
    assert.equal(deploy?.number, 1);
    assert.equal(push.after, commit('1'));
    const [made] = it.platform.writer.commits;
    assert.ok(made);
    const { provenance, actor, spec } = made.intent as DeployIntent;
    assert.deepEqual(provenance, {
      ...{ owner: 'alice', ownerId: 'id-alice', repo: 'shop', branch: 'main', sourceCommit: commit('1') },
      ...{ scm: 'github', private: true, repoUrl: 'https://github.com/acme/shop' },
    });
    assert.equal(actor.login, 'ann');
    assert.equal(spec.image, image);
    const log = await it.platform.logOf(push.id);
    assert.ok(log.includes(`shop: no build: ${image}`), log.join('\n'));
    assert.deepEqual(it.platform.engine.started, []);
  });

  it('keeps how the function is configured, or brings its own', async () => {
    await using it = await setUp();
    const environment = { GREETING: 'hi' };
    const configuration = { ...emptyConfiguration(), environment, readOnlyRootFilesystem: true };
    await it.deliver({ image: it.image('one'), configuration });
    await it.deliver({ image: it.image('two'), commit: commit('2') });
    const intents = it.platform.writer.commits.map(({ intent }) => intent as DeployIntent);
    assert.equal(intents.length, 2);
    assert.deepEqual(intents[1]?.spec.environment, environment);
    assert.equal(intents[1]?.spec.readOnlyRootFilesystem, true);
    await it.deliver({
      image: it.image('three'),
      commit: commit('3'),
      configuration: { ...configuration, environment: {} },
    });
    const last = it.platform.writer.commits.at(-1)?.intent as DeployIntent;
    assert.deepEqual(last.spec.environment, {});
  });

  it('sent again does nothing, and brings back nothing', async () => {
    await using it = await setUp();
    const one = it.image('one');
    const first = await it.announce({ image: one });
    assert.deepEqual(await it.announce({ image: one }), { ...first, duplicate: true });
    await it.platform.builder().drain();
    await it.deliver({ image: it.image('two'), commit: commit('2') });
    assert.deepEqual(await it.announce({ image: one, actor: { name: 'Eve', email: '', login: 'eve' } }), {
      ...first,
      duplicate: true,
    });
    await it.platform.builder().drain();
    assert.equal(it.source(), '2');
    assert.equal(it.platform.writer.commits.length, 2);
  });

  it('of an older run never wins over a newer one', async () => {
    await using it = await setUp();
    const run = (number: number) => ({ of: 'release', number });
    await it.deliver({ image: it.image('two'), commit: commit('2'), run: run(12) });
    const late = await it.deliver({ image: it.image('one'), commit: commit('1'), run: run(11) });
    assert.equal(late.note, 'superseded by 2222222');
    assert.deepEqual(late.deploys, []);
    assert.equal(it.source(), '2');
    // Another workflow counts for itself.
    await it.deliver({ image: it.image('x'), commit: commit('3'), run: { of: 'hotfix', number: 1 } });
    assert.equal(it.source(), '3');
    // Found again after a restart.
    await it.platform.restart();
    const later = await it.deliver({ image: it.image('y'), commit: commit('4'), run: run(10) });
    assert.deepEqual(later.deploys, []);
  });

  it('with another configuration is another announcement, though the image and the commit are the same', async () => {
    await using it = await setUp();
    const image = it.image('one');
    const coloured = (colour: string) => ({
      ...emptyConfiguration(),
      environment: { COLOUR: colour, SIZE: '1' },
    });
    const run = (number: number) => ({ of: 'release', number });
    const first = await it.deliver({ image, run: run(5), configuration: coloured('red') });
    const again = await it.announce({
      ...{ image, run: run(5) },
      configuration: { ...emptyConfiguration(), environment: { SIZE: '1', COLOUR: 'red' } },
    });
    assert.deepEqual(again, { id: first.id, duplicate: true });
    const blue = await it.deliver({ image, run: run(6), configuration: coloured('blue') });
    assert.deepEqual(summary(blue), { shop: 'live' });
    const same = await it.deliver({ image, run: run(6), configuration: coloured('green') });
    assert.deepEqual(summary(same), { shop: 'live' });
    const last = it.platform.writer.commits.at(-1)?.intent as DeployIntent;
    assert.equal(last.spec.environment['COLOUR'], 'green');
  });

  it('of an older run never wins, though its image is the same', async () => {
    await using it = await setUp();
    const image = it.image('one');
    const configured = (number: number, colour: string) => ({
      ...{ image, run: { of: 'release', number } },
      configuration: { ...emptyConfiguration(), environment: { COLOUR: colour } },
    });
    await it.deliver(configured(6, 'new'));
    const late = await it.deliver(configured(5, 'old'));
    assert.deepEqual([late.deploys, late.note], [[], 'superseded by 1111111']);
    const other = await it.deliver({ ...configured(1, 'older'), commit: commit('d') });
    assert.deepEqual(other.deploys, []);
    const without = await it.deliver({ image, run: { of: 'release', number: 4 } });
    assert.deepEqual(without.deploys, []);
    assert.equal(it.platform.writer.commits.length, 1);
  });

  it('of the commit before a newer one comes too late', async () => {
    await using it = await setUp();
    await it.deliver({ image: it.image('two'), commit: commit('2'), before: commit('1') });
    const late = await it.deliver({ image: it.image('one'), commit: commit('1') });
    assert.equal(late.note, 'superseded by 2222222');
    const onward = await it.deliver({ image: it.image('three'), commit: commit('3'), before: commit('2') });
    assert.deepEqual(summary(onward), { shop: 'live' });
  });

  it('waits for a registry that is away, and is superseded meanwhile', async () => {
    await using it = await setUp();
    const [one, two] = [it.image('one'), it.image('two')];
    it.fixture.intercept = (req, res) =>
      one.endsWith(req.url.split('/').at(-1) ?? '') && Boolean(res.writeHead(503).end());
    const first = await it.announce({ image: one });
    for (;;) {
      const cause = (await it.platform.builder().push(first.id))?.deploys[0]?.cause;
      if (cause?.code === 'registry_unavailable') break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const second = await it.deliver({ image: two, commit: commit('2') });
    assert.deepEqual(summary(second), { shop: 'live' });
    assert.deepEqual(summary((await it.platform.builder().push(first.id)) ?? second), { shop: 'superseded' });
  });

  it('that is not in the registry fails, and may be announced again', async () => {
    await using it = await setUp();
    const image = it.image('one');
    it.fixture.intercept = (_req, res) => Boolean(res.writeHead(404).end());
    const failed = await it.deliver({ image });
    assert.deepEqual(summary(failed), { shop: 'failed' });
    assert.equal(failed.deploys[0]?.cause?.code, 'image_not_found');
    it.fixture.intercept = undefined;
    const again = await it.deliver({ image });
    assert.notEqual(again.id, failed.id);
    assert.deepEqual(summary(again), { shop: 'live' });
    assert.equal((await it.announce({ image })).duplicate, true);
  });

  it('is refused at once where it may not come from, and where nothing runs it', async () => {
    await using it = await setUp();
    const digest = `@sha256:${'0'.repeat(64)}`;
    const refused = [
      `ghcr.io/team/shop${digest}`,
      `${it.fixture.host}/teams/shop${digest}`,
      `own.registry/bob/x${digest}`,
    ];
    for (const image of refused)
      await assert.rejects(it.announce({ image }), { code: 'policy_refused' }, image);
    await assert.rejects(it.announce({ image: `${it.fixture.host}/team/shop:1` }), { code: 'bad_request' });
    assert.deepEqual(it.fixture.seen, []);
    await using processes = await setUp({ runsImages: false });
    await assert.rejects(processes.announce({ image: processes.image('one') }), { hint: /--engine docker/ });
  });

  it('leaves alone the functions of another repository, and a stack of its own', async () => {
    await using it = await setUp();
    const repo = it.platform.repo('alice', 'app');
    await it.platform.deliver(repo.commit(stackFiles({ shop: 'ok', other: 'ok' })));
    const taken = await it.deliver({ image: it.image('one') });
    assert.equal(taken.deploys[0]?.cause?.code, 'name_taken');
    await it.deliver({ image: it.image('two'), functionName: 'third' });
    await it.platform.deliver(repo.commit(stackFiles({ shop: 'ok', other: 'better' })));
    assert.deepEqual(it.platform.writer.deployed('alice'), ['other', 'shop', 'third']);
  });

  it('goes on where a killed builder left it', async () => {
    await using it = await setUp();
    const image = it.image('one');
    it.platform.writer.beforeCommit = async () => new Promise(() => {});
    const { id } = await it.announce({ image });
    while (it.platform.writer.calls === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    it.platform.writer.beforeCommit = async () => {};
    await it.platform.restart({ abandon: true });
    await it.platform.builder().drain();
    assert.deepEqual(summary((await it.platform.builder().push(id)) as never), { shop: 'live' });
    assert.equal(it.platform.writer.commits.length, 1);
  });

  it('is deployed again by hand, unless something newer was', async () => {
    await using it = await setUp();
    const first = await it.deliver({ image: it.image('one'), run: { of: 'r', number: 1 } });
    await it.deliver({ image: it.image('two'), commit: commit('2'), run: { of: 'r', number: 2 } });
    const id = await it.platform.builder().rebuild(first.id, first.actor);
    await it.platform.builder().drain();
    assert.match((await it.platform.builder().push(id))?.note ?? '', /superseded by 2222222/);
    assert.equal(it.source(), '2');
  });

  it('deployed again by hand says nothing about the other functions of its repository', async () => {
    await using it = await setUp();
    const other = await it.deliver({ image: it.image('one'), functionName: 'other' });
    const gone = `${it.fixture.host}/team/shop@sha256:${'0'.repeat(64)}`;
    assert.deepEqual(summary(await it.deliver({ image: gone })), { shop: 'failed' });
    await it.platform.builder().rebuild(other.id, other.actor);
    await it.platform.builder().drain();
    const latest = await it.platform.builder().latestDeploys('alice');
    assert.deepEqual(
      latest.map(({ functionName, state }) => [functionName, state]),
      [
        ['other', 'live'],
        ['shop', 'failed'],
      ],
    );
  });
});
