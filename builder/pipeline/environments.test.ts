import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RefTarget, RefTargets } from '../../core/environments.ts';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { createPlatform, git, stackFiles, summary, type TestRepository } from './platform-in-memory.test.ts';

/** `main` to the default environment, `staging` to staging, tags `v…` from there to production. */
const refs: RefTargets = {
  environments: ['staging', 'production', 'default'],
  forRef(ref): RefTarget {
    if (ref === 'refs/heads/main') return { way: 'deploy', environment: 'default' };
    if (ref === 'refs/heads/staging') return { way: 'deploy', environment: 'staging' };
    if (ref.startsWith('refs/tags/v')) return { way: 'promote', from: 'staging', environment: 'production' };
    return { way: 'none', reason: `no environment takes ${ref}` };
  },
};
const functionsOf = (push: {
  deploys: { functionName: string | null; environment?: string | undefined }[];
}) => push.deploys.map(({ functionName, environment }) => `${environment ?? 'default'}/${functionName}`);

/** A commit of exactly these files on the branch `staging`. */
function stage(repo: TestRepository, functions: Record<string, string>): PushEvent {
  const { after } = repo.commit(stackFiles(functions));
  git(repo.dir, 'branch', '--force', 'staging', after);
  return repo.event(zeroSha, after, 'refs/heads/staging');
}

function tag(repo: TestRepository, name: string, ...args: string[]): PushEvent {
  git(repo.dir, 'tag', ...args, name);
  return repo.event(zeroSha, git(repo.dir, 'rev-parse', `refs/tags/${name}`), `refs/tags/${name}`);
}

describe('environments', () => {
  it('deploys a branch to its environment, and removes there alone what is gone from its stack', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one', cart: 'one' })));
    await platform.deliver(stage(repo, { hello: 'two', cart: 'two' }));
    const push = await platform.deliver(stage(repo, { hello: 'three' }));
    assert.deepEqual(functionsOf(push), ['staging/hello', 'staging/cart']);
    assert.deepEqual(summary(push), { hello: 'live', cart: 'removed' });
    assert.ok(
      (await platform.logOf(push.id)).includes('hello is live: http://alice.staging.localhost/hello'),
    );
    assert.deepEqual(platform.writer.deployed('alice', 'staging'), ['hello']);
    assert.deepEqual(platform.writer.deployed('alice'), ['cart', 'hello']);
    assert.equal(platform.reconciler.followed.at(-1)?.environment, 'staging');
    const latest = async (environment?: string) =>
      (await platform.builder().latestDeploys('alice', environment)).map(
        ({ functionName, state }) => `${functionName} ${state}`,
      );
    assert.deepEqual(await latest(), ['cart live', 'hello live']);
    assert.deepEqual(await latest('staging'), ['cart removed', 'hello live']);
  });

  it('promotes by a tag, annotated or not, the digest that its commit has, without a build', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    const staged = await platform.deliver(stage(repo, { hello: 'one' }));
    const builds = platform.engine.started.length;
    const event = tag(repo, 'v1.0.0', '--annotate', '--message=First');
    assert.notEqual(event.after, staged.after, 'the ref points to the tag itself');
    const push = await platform.deliver(event);
    assert.deepEqual(functionsOf(push), ['production/hello']);
    assert.deepEqual(summary(push), { hello: 'live' });
    const [deploy] = push.deploys;
    assert.equal(deploy?.image, staged.deploys[0]?.image);
    assert.equal(deploy?.sourceCommit, staged.after);
    assert.equal(deploy?.branch, 'v1.0.0');
    assert.equal(platform.engine.started.length, builds);
    const [asked] = platform.writer.promoted;
    assert.deepEqual([asked?.from, asked?.to, asked?.reason], ['staging', 'production', 'tag v1.0.0']);
    const log = await platform.logOf(push.id);
    assert.ok(
      log.includes(
        `promote v1.0.0 (${staged.after.slice(0, 7)}): from staging to production, without a build`,
      ),
    );
    assert.ok(log.includes('hello is live: http://alice.production.localhost/hello'));

    const light = await platform.deliver(tag(repo, 'v1.0.1'));
    assert.deepEqual(summary(light), { hello: 'live' });
  });

  it('promotes what was tagged, also when its environment has a newer commit by now', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(stage(repo, { hello: 'one' }));
    const event = tag(repo, 'v1');
    await platform.deliver(stage(repo, { hello: 'two' }));
    const push = await platform.deliver(event);
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.equal(push.deploys[0]?.image, first.deploys[0]?.image);
    assert.equal(platform.writer.promoted[0]?.commit, first.deploys[0]?.gitopsCommit);
  });

  it('promotes every function at the tagged commit, also those that it left as they were', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(stage(repo, { hello: 'one', cart: 'one' }));
    await platform.deliver(stage(repo, { hello: 'two', cart: 'one' }));
    const push = await platform.deliver(tag(repo, 'v1'));
    assert.deepEqual(summary(push), { cart: 'live', hello: 'live' });
    const cart = (one: typeof push) => one.deploys.find(({ functionName }) => functionName === 'cart');
    assert.equal(cart(push)?.image, cart(first)?.image);
  });

  it('does not promote what was taken back where it comes from', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(stage(repo, { hello: 'one' }));
    const bad = await platform.deliver(stage(repo, { hello: 'two' }));
    platform.writer.takeBack('alice', 'hello', 'staging');
    const push = await platform.deliver(tag(repo, 'v1'));
    assert.deepEqual(summary(push), { hello: 'skipped' });
    const [message] = push.deploys.map(({ cause }) => cause?.message);
    assert.equal(
      message,
      `${bad.after.slice(0, 7)} was taken back in "staging" by #3; tag a commit that stayed`,
    );
    assert.deepEqual(platform.writer.promoted, []);
  });

  it('says of every function that never was at the tag\u2019s commit what is there instead', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    const staged = await platform.deliver(stage(repo, { hello: 'one' }));
    const main = repo.commit(stackFiles({ hello: 'two' }));
    const push = await platform.deliver(tag(repo, 'v1'));
    assert.deepEqual(summary(push), { hello: 'skipped' });
    const message = push.deploys[0]?.cause?.message ?? '';
    assert.ok(
      message.startsWith(
        `"staging" has ${staged.after.slice(0, 7)} of it and never had v1 (${main.after.slice(0, 7)})`,
      ),
      message,
    );
    assert.deepEqual(platform.writer.promoted, []);

    const other = platform.repo('alice', 'empty');
    other.commit(stackFiles({ hi: 'one' }));
    const nothing = await platform.deliver(tag(other, 'v1'));
    assert.equal(nothing.note, 'nothing to promote: "staging" has no function of empty');
  });

  it('does not promote what failed where it comes from', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    platform.reconciler.beforeLive = async () => {
      platform.reconciler.beforeLive = async () => undefined;
      return { type: 'failed', stage: 'live', cause: { code: 'unhealthy', message: 'it does not answer' } };
    };
    await platform.deliver(stage(repo, { hello: 'one' }));
    const push = await platform.deliver(tag(repo, 'v1'));
    assert.deepEqual(summary(push), { hello: 'skipped' });
    assert.match(push.deploys[0]?.cause?.message ?? '', /failed in "staging": it does not answer/);
  });

  it('lets a tag wait for the push that it promotes, and no other environment', async () => {
    await using platform = await createPlatform({ refs, config: { maxConcurrentBuilds: 3 } });
    const repo = platform.repo('alice', 'shop');
    const gate = platform.gate('alice/shop/slow');
    const staged = stage(repo, { slow: 'one' });
    const tagged = tag(repo, 'v1');
    await platform.send(staged);
    await gate.entered;
    await platform.send(tagged);
    const main = repo.commit(stackFiles({ quick: 'one' }));
    await platform.send(main);
    while ((await platform.builder().push(main.id))?.state !== 'done') await new Promise(setImmediate);
    assert.equal((await platform.builder().push(tagged.id))?.state, 'queued');
    gate.open();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(staged.id))!), { slow: 'live' });
    assert.deepEqual(summary((await platform.builder().push(tagged.id))!), { slow: 'live' });
  });

  it('removes a deleted repository from every environment, after what runs in any of them', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    await platform.deliver(stage(repo, { hello: 'two' }));
    await platform.deliver(tag(repo, 'v1'));
    const { id: _, ref: __, before: ___, after: ____, type: _____, ...rest } = repo.event(zeroSha, zeroSha);
    const push = await platform.deliver({ ...rest, id: 'gone', type: 'repository-deleted' });
    assert.deepEqual(functionsOf(push).sort(), ['default/hello', 'production/hello', 'staging/hello']);
    for (const environment of refs.environments) {
      assert.deepEqual(platform.writer.deployed('alice', environment), [], environment);
    }
  });

  it('keeps functions of a deleted branch or tag, and says where', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    const { after } = await platform.deliver(stage(repo, { hello: 'one' }));
    const branch = await platform.deliver(repo.event(after, zeroSha, 'refs/heads/staging'));
    assert.equal(branch.note, 'skipped: the branch staging was deleted; its functions stay in "staging"');
    const gone = await platform.deliver(repo.event(after, zeroSha, 'refs/tags/v1'));
    assert.equal(gone.note, 'skipped: the tag v1 was deleted; what it promoted stays in "production"');
    const other = await platform.deliver(repo.event(zeroSha, after, 'refs/heads/topic'));
    assert.equal(other.note, 'skipped: no environment takes refs/heads/topic');
  });

  it('promotes once, whatever kills the builder on the way', async () => {
    await using platform = await createPlatform({ refs });
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(stage(repo, { hello: 'one' }));
    const following = Promise.withResolvers<void>();
    platform.reconciler.beforeLive = async (_target, signal) => {
      platform.reconciler.beforeLive = async () => undefined;
      following.resolve();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const event = tag(repo, 'v1');
    await platform.send(event);
    await following.promise;
    await platform.restart();
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(event.id))!), { hello: 'live' });
    assert.equal(platform.writer.promoted.length, 1);
  });
});
