import assert from 'node:assert/strict';
import { rename, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { CatalogEntry } from '../../core/catalog.ts';
import type { PlatformEvent } from '../../core/events.ts';
import type { FollowOutcome } from '../../core/reconciler.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createWorkshop, desire, nodeServer } from '../functions/artifact-fixture.ts';
import { createSupervisor, type DesiredFunction, type Supervisor } from '../functions/index.ts';
import { createGitOpsFixture, manifestOf } from './gitops-fixture.ts';
import { createApplyLoop } from './index.ts';

const logger = createLogger({ level: 'silent', name: 'test' });
const hello = 'tenants/alice/hello.yaml';
const never = 3_600_000;

describe('local apply loop', () => {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  async function platform(options: { pollMs?: number } = {}) {
    const shop = await createWorkshop();
    open.push(shop);
    const repository = await createGitOpsFixture(path.dirname(shop.stateDir), process.env['PATH'] ?? '');
    return { shop, repository, ...(await run(shop, repository.gitopsPath, options)) };
  }

  async function run(
    shop: { artifactsDir: string; stateDir: string },
    gitopsPath: string,
    options: { pollMs?: number } = {},
  ) {
    const events = createEventBus();
    const seen: PlatformEvent[] = [];
    events.subscribe((event) => seen.push(event));
    const PATH = process.env['PATH'] ?? '';
    const supervisor = await createSupervisor(
      {
        artifactsDir: shop.artifactsDir,
        stateDir: shop.stateDir,
        path: PATH,
        drainDelayMs: 10,
        retry: { firstMs: 60_000, maxMs: 60_000 },
      },
      { logger, events },
    );
    open.push(supervisor);
    const loop = await createApplyLoop(
      { gitopsPath, branch: 'main', pollMs: options.pollMs ?? never, path: PATH },
      { supervisor, logger, events },
    );
    open.push(loop);
    const follow = (commit: string, desired: DesiredFunction | null, functionName = 'hello') => {
      const digest = desired === null ? null : desired.image.slice(desired.image.indexOf('@') + 1);
      const target = { owner: 'alice', functionName, commit, digest };
      return loop.follow(target, () => seen.push(appliedMark), AbortSignal.timeout(120_000));
    };
    return { supervisor, loop, seen, follow };
  }

  const appliedMark = {
    type: 'history.changed',
    ownerId: '',
    owner: '',
    functionName: 'APPLIED',
    commit: '',
  } as const;
  const historyOf = (seen: PlatformEvent[]) =>
    seen.flatMap((event) =>
      event.type === 'history.changed' ? [[event.ownerId, event.functionName, event.commit]] : [],
    );

  async function answer(supervisor: Supervisor, functionName = 'hello'): Promise<string> {
    const origin = supervisor.lookup('alice', functionName)?.targets[0]?.origin;
    assert.ok(origin, `nothing serves ${functionName}`);
    return (await fetch(origin)).text();
  }

  function until(supervisor: Supervisor, fits: (entry: CatalogEntry | undefined) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!fits(supervisor.lookup('alice', 'hello'))) return;
        unsubscribe();
        resolve();
      };
      const unsubscribe = supervisor.subscribe(check);
      check();
    });
  }

  it('starts what is on the branch, and follows a commit until it is live', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const first = await repository.commit({
      [hello]: manifestOf(one),
      'tenants/alice/tenant.yaml': 'quota: 1\n',
    });
    await loop.start();
    assert.equal(loop.applied(), first);
    assert.deepEqual(await follow(first, one), { type: 'live' });
    assert.equal(await answer(supervisor), 'one');
    const entry = supervisor.lookup('alice', 'hello');
    assert.deepEqual(
      [entry?.ownerId, entry?.repo, entry?.branch, entry?.sourceCommit],
      ['id-alice', 'site', 'main', one.sourceCommit],
    );
    const two = desire(await shop.build(nodeServer('two')));
    const second = await repository.commit({ [hello]: manifestOf(two) });
    const following = follow(second, two);
    loop.nudge();
    loop.nudge();
    assert.deepEqual(await following, { type: 'live' });
    assert.equal(await answer(supervisor), 'two');
  });

  it('tells which functions a commit changed, but not at the start', async () => {
    const { shop, repository, loop, seen, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    await repository.commit({ [hello]: manifestOf(one) });
    await loop.start();
    assert.deepEqual(historyOf(seen), []);
    const other = desire(await shop.build(nodeServer('other')), { functionName: 'other' });
    const commit = await repository.commit({ 'tenants/alice/other.yaml': manifestOf(other) });
    loop.nudge();
    await follow(commit, other, 'other');
    assert.deepEqual(historyOf(seen), [
      ['id-alice', 'other', commit],
      ['', 'APPLIED', ''],
    ]);
  });

  it('notices a commit without a nudge', async () => {
    const { shop, repository, loop, follow } = await platform({ pollMs: 20 });
    await loop.start();
    assert.equal(loop.applied(), null);
    const one = desire(await shop.build(nodeServer('one')));
    assert.deepEqual(await follow(await repository.commit({ [hello]: manifestOf(one) }), one), {
      type: 'live',
    });
  });

  it('takes no deploy from another branch', async () => {
    const { shop, repository, supervisor, loop } = await platform();
    await repository.commit({ readme: 'x' });
    await loop.start();
    await repository.git('checkout', '--quiet', '-b', 'other');
    const one = desire(await shop.build(nodeServer('one')));
    await repository.commit({ [hello]: manifestOf(one) });
    await repository.git('push', '--quiet', 'origin', 'other');
    await loop.start();
    assert.deepEqual(supervisor.list(), []);
  });

  it('applies a person’s git revert, configuration included, and the revert of the revert', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const digest = await shop.build(nodeServer('v'));
    const one = desire(digest, { environment: { GREETING: '1' } });
    const two = desire(digest, { environment: { GREETING: '2' }, sourceCommit: '2'.repeat(40) });
    await repository.commit({ [hello]: manifestOf(one) });
    const second = await repository.commit({ [hello]: manifestOf(two) });
    await loop.start();
    assert.deepEqual(await follow(second, two), { type: 'live' });
    assert.equal(await answer(supervisor), 'v2');
    for (const expected of ['v1', 'v2']) {
      await repository.git('revert', '--no-edit', 'HEAD');
      await repository.git('push', '--quiet', 'origin', 'main');
      loop.nudge();
      assert.deepEqual(await follow(await repository.git('rev-parse', 'HEAD'), one), { type: 'live' });
      assert.equal(await answer(supervisor), expected);
    }
  });

  it('stops a function whose manifest is deleted, and follows it to its end', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const first = await repository.commit({ [hello]: manifestOf(one) });
    await loop.start();
    await follow(first, one);
    const commit = await repository.commit({ [hello]: null });
    loop.nudge();
    assert.deepEqual(await follow(commit, null), { type: 'removed' });
    assert.equal(supervisor.lookup('alice', 'hello'), undefined);
    assert.deepEqual(await follow(first, one), { type: 'superseded' });
  });

  it('says that a version failed, whenever it is asked', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const good = desire(await shop.build(nodeServer('good')));
    await repository.commit({ [hello]: manifestOf(good) });
    await loop.start();
    await until(supervisor, (entry) => entry?.status === 'Ready');
    const bad = desire(await shop.build({ 'index.js': `throw new Error('boom')` }));
    const commit = await repository.commit({ [hello]: manifestOf(bad) });
    loop.nudge();
    const check = (outcome: FollowOutcome) => {
      assert.ok(outcome.type === 'failed' && outcome.stage === 'live', JSON.stringify(outcome));
      assert.equal(outcome.cause.code, 'unhealthy');
      assert.match(outcome.cause.message, /exited with code 1 .*Error: boom/);
    };
    check(await follow(commit, bad));
    check(await follow(commit, bad));
    assert.equal(await answer(supervisor), 'good');
  });

  it('tells a follower that a later commit replaced what it follows', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    await repository.commit({});
    await loop.start();
    const hanging = desire(await shop.build({ 'index.js': 'setInterval(() => {}, 1000)' }));
    const first = await repository.commit({ [hello]: manifestOf(hanging) });
    loop.nudge();
    const following = follow(first, hanging);
    await until(supervisor, (entry) => entry?.status === 'Deploying');
    const next = desire(await shop.build(nodeServer('next')));
    await repository.commit({ [hello]: manifestOf(next) });
    loop.nudge();
    assert.deepEqual(await following, { type: 'superseded' });
  });

  it('stops following when the signal aborts', async () => {
    const { loop } = await platform();
    await loop.start();
    const controller = new AbortController();
    const target = { owner: 'alice', functionName: 'hello', commit: 'a'.repeat(40), digest: null };
    const following = loop.follow(target, () => assert.fail('not applied'), controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(following, /enough/);
  });

  const good = 'apiVersion: openfaas.com/v1\nkind: Function\n';
  const badManifests: [title: string, text: (good: string) => string, reason: RegExp][] = [
    ['is not YAML', () => `${good}metadata: [`, /hello\.yaml:\d+: .*version .* still serves/],
    ['is empty', () => '', /the file is empty/],
    [
      'has two documents',
      (text) => `${text}---\nkind: Secret\n`,
      /hello\.yaml:\d+: .*more than one YAML document/,
    ],
    [
      'names another object',
      (text) => text.replace('name: alice-hello', 'name: bob-hello'),
      /hello\.yaml:4: metadata.name must be "alice-hello"/,
    ],
    [
      'claims another owner',
      (text) => text.replace('git-owner: alice', 'git-owner: bob'),
      /label com.openfaas.git-owner must be "alice"/,
    ],
    [
      'has no owner id',
      (text) => text.replace(/ +com.openfaas.git-owner-id: .*\n/, ''),
      /git-owner-id is missing/,
    ],
    ['has an image without a digest', (text) => text.replace(/@sha256:\w+/, ''), /must end in a digest/],
    [
      'has the wrong type somewhere',
      (text) => text.replace(/environment: .*/, 'environment: 7'),
      /hello\.yaml:\d+: spec.environment: /,
    ],
    ['misspells its kind', (text) => text.replace('kind: Function', 'kind: Functoin'), /kind: /],
    [
      'is a bomb of aliases',
      (text) =>
        `${text}a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n`,
      /alias/,
    ],
    ['is too large', (text) => `${text}# ${'x'.repeat(300_000)}\n`, /at most 262144 bytes/],
  ];
  it('keeps the old version of a function whose manifest is bad, names the place, and disturbs nobody else', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const text = manifestOf(one);
    const first = await repository.commit({ [hello]: text });
    await loop.start();
    await follow(first, one);
    for (const [title, spoil, reason] of badManifests) {
      assert.notEqual(spoil(text), text, title);
      const other = desire(await shop.build(nodeServer(title)), { functionName: 'other' });
      const commit = await repository.commit({
        [hello]: spoil(text),
        'tenants/alice/other.yaml': manifestOf(other),
      });
      loop.nudge();
      assert.deepEqual(await follow(commit, other, 'other'), { type: 'live' }, title);
      assert.equal(await answer(supervisor, 'other'), title);
      const entry = supervisor.lookup('alice', 'hello');
      assert.equal(entry?.status, 'Degraded', title);
      assert.match(entry?.reason ?? '', reason, title);
      assert.equal(await answer(supervisor), 'one', title);
      const outcome = await follow(commit, one);
      assert.ok(outcome.type === 'failed' && outcome.stage === 'apply', title);
      assert.equal(outcome.cause.place?.file, hello);
    }
    await repository.commit({ [hello]: text });
    loop.nudge();
    await until(supervisor, (entry) => entry?.status === 'Ready' && entry.reason === null);
  });

  it('ignores what is not a function of a tenant', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const text = manifestOf(one);
    const commit = await repository.commit({
      [hello]: text,
      'tenants/alice/secret.yaml': 'apiVersion: v1\nkind: Secret\n',
      'tenants/alice/deep/hello.yaml': text,
      'tenants/alice/..hello.yaml': text,
      'tenants/alice/kustomization.yaml': text,
      'tenants/api/hello.yaml': text,
      'platform/hello.yaml': text,
    });
    await loop.start();
    assert.deepEqual(await follow(commit, one), { type: 'live' });
    assert.deepEqual(
      supervisor.list().map((entry) => entry.functionName),
      ['hello'],
    );
  });

  it('does not follow a symbolic link', async () => {
    const { shop, repository, supervisor, loop } = await platform();
    const one = desire(await shop.build(nodeServer('one')), { owner: 'alice', functionName: 'link' });
    const target = await repository.commit({ 'secret.yaml': manifestOf(one), 'tenants/alice/x.txt': '' });
    assert.ok(target);
    await symlink(
      '../../secret.yaml',
      path.join(path.dirname(repository.gitopsPath), 'clone/tenants/alice/link.yaml'),
    );
    await repository.commit({});
    await loop.start();
    assert.match(supervisor.lookup('alice', 'link')?.reason ?? '', /plain file/);
  });

  it('keeps everything running while the repository is away, and goes on when it is back', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform({ pollMs: 20 });
    const one = desire(await shop.build(nodeServer('one')));
    const first = await repository.commit({ [hello]: manifestOf(one) });
    await loop.start();
    await follow(first, one);
    await rename(repository.gitopsPath, `${repository.gitopsPath}.away`);
    await loop.start();
    assert.equal(loop.applied(), first);
    assert.equal(await answer(supervisor), 'one');
    await rename(`${repository.gitopsPath}.away`, repository.gitopsPath);
    const two = desire(await shop.build(nodeServer('two')));
    const second = await repository.commit({ [hello]: manifestOf(two) });
    assert.deepEqual(await follow(second, two), { type: 'live' });
  });

  it('reads a branch that lies in packed refs', async () => {
    const { shop, repository, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const commit = await repository.commit({ [hello]: manifestOf(one) });
    await repository.git('--git-dir', repository.gitopsPath, 'pack-refs', '--all');
    await loop.start();
    assert.equal(loop.applied(), commit);
    assert.deepEqual(await follow(commit, one), { type: 'live' });
  });

  it('brings everything back after a restart, and forgets what was removed meanwhile', async () => {
    const { shop, repository, supervisor, loop, follow } = await platform();
    const one = desire(await shop.build(nodeServer('one')));
    const gone = desire(await shop.build(nodeServer('gone')), { functionName: 'gone' });
    const first = await repository.commit({
      [hello]: manifestOf(one),
      'tenants/alice/gone.yaml': manifestOf(gone),
    });
    await loop.start();
    await follow(first, one);
    await follow(first, gone, 'gone');
    await loop[Symbol.asyncDispose]();
    await supervisor[Symbol.asyncDispose]();
    const second = await repository.commit({ 'tenants/alice/gone.yaml': null });
    const again = await run(shop, repository.gitopsPath);
    await again.loop.start();
    assert.deepEqual(await again.follow(first, one), { type: 'live' });
    assert.deepEqual(await again.follow(second, null, 'gone'), { type: 'removed' });
    assert.equal(await answer(again.supervisor), 'one');
  });
});
