import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zeroSha } from '../../core/names.ts';
import { commitTo, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { chosen, deployed, functions, installed, live, pushOf, until } from './installations-fixture.ts';

describe('an installation of the GitHub App', () => {
  it('that is removed leaves its functions running for the grace time, and brings all back when made again', async () => {
    await using platform = await startForgePlatform();
    const first = await deployed(platform, 'one');
    await installed(platform, 'deleted');
    const meanwhile = await deployed(platform, 'two');
    assert.equal((await pushOf(platform, meanwhile))[0]?.note, 'skipped: the App was uninstalled');
    assert.deepEqual([functions(platform), live(platform)], [['hello'], first]);

    platform.installation.id += 1000;
    await installed(platform, 'created');
    assert.deepEqual([functions(platform), live(platform)], [['hello'], meanwhile]);
    assert.ok(platform.writer.commits.every(({ kind }) => kind === 'deploy'));
    const again = await deployed(platform, 'three');
    assert.equal(live(platform), again);
  });

  it('that nobody makes again takes its functions away after the grace time, also after a restart', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 1500 } });
    await deployed(platform, 'one');
    await installed(platform, 'deleted');
    await platform.restart({ abandon: true });
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    await until('the functions are removed', () => functions(platform).length === 0);
    await platform.builder().drain();
    const [removal] = platform.writer.commits.filter(({ kind }) => kind === 'remove');
    assert.match(String((removal?.intent as { reason?: string } | undefined)?.reason), /uninstalled/);

    // As if it had never been there.
    platform.installation.id += 1000;
    await installed(platform, 'created');
    assert.deepEqual(functions(platform), ['hello']);
  });

  it('that is suspended keeps its functions and deploys nothing; woken up, it deploys what was pushed', async () => {
    await using platform = await startForgePlatform();
    const first = await deployed(platform, 'one');
    await installed(platform, 'suspend');
    const second = await deployed(platform, 'two');
    assert.deepEqual([functions(platform), live(platform)], [['hello'], first]);
    assert.equal((await pushOf(platform, second))[0]?.note, 'skipped: the App is suspended');
    await installed(platform, 'unsuspend');
    assert.equal(live(platform), second);
  });

  it('is not touched by what comes late about the one before it', async () => {
    await using platform = await startForgePlatform();
    const former = platform.installation.id;
    await installed(platform, 'created', former);
    platform.installation.id += 1000;
    await installed(platform, 'created');
    await installed(platform, 'deleted', former);
    const commit = await deployed(platform, 'one');
    assert.equal(live(platform), commit);
  });
});

describe('a repository of an installation', () => {
  it('that is added is built without a push, and that is removed takes its functions away', async () => {
    await using platform = await startForgePlatform();
    const { after } = commitTo(platform.bare, stackFiles({ hello: 'one' }));
    await chosen(platform, 'added');
    assert.equal(live(platform), after);
    await chosen(platform, 'removed');
    assert.deepEqual(functions(platform), []);
    await chosen(platform, 'added');
    assert.deepEqual([functions(platform), live(platform)], [['hello'], after]);
  });

  it('is deleted once: another one of the same name loses nothing when the deletion comes again', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const payload = { ...platform.base('repository'), action: 'deleted' };
    platform.installation.repositories = [];
    await platform.github.deliver('repository', payload, 'guid-1');
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);

    const former = platform.repository.id;
    platform.repository.id = former + 5000;
    platform.installation.repositories = [platform.repository];
    const again = await deployed(platform, 'two');
    assert.deepEqual([functions(platform), live(platform)], [['hello'], again]);
    const { repository } = payload as unknown as { repository: object };
    const late = { ...payload, repository: { ...repository, id: former } };
    await platform.github.deliver('repository', late, 'guid-1');
    await platform.github.deliver('repository', late, 'guid-2');
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
  });

  it('keeps its name and its URL when it, or its owner, is renamed', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { before, after } = commitTo(platform.bare, stackFiles({ hello: 'two' }));
    const payload = platform.base('push');
    const owner = {
      ...(payload['repository'] as { owner: object }).owner,
      login: 'Acme-Inc',
      name: 'Acme-Inc',
    };
    const renamed = {
      ...(payload['repository'] as object),
      ...{ name: 'store', full_name: 'Acme-Inc/store', owner },
      clone_url: String((payload['repository'] as { clone_url: string }).clone_url).replace(
        'Acme/shop',
        'Acme-Inc/store',
      ),
    };
    const moved = { ...payload, ref: 'refs/heads/main', before, after, repository: renamed };
    assert.equal(await platform.github.deliver('push', moved), 202);
    await until('the push is known', async () => (await pushOf(platform, after)).length > 0);
    const [push] = await pushOf(platform, after);
    assert.deepEqual([push?.owner, push?.repo], ['acme', 'shop']);
  });

  it('of somebody whose name is taken is refused, and touches nothing', async () => {
    await using platform = await startForgePlatform();
    const first = await deployed(platform, 'one');
    const payload = platform.base('push');
    const repository = payload['repository'] as { owner: object };
    const theirs = { ...repository, id: 99_999, owner: { ...repository.owner, id: 77_777 } };
    const move = { ref: 'refs/heads/main', before: zeroSha, after: 'f'.repeat(40) };
    assert.equal(await platform.github.deliver('push', { ...payload, ...move, repository: theirs }), 202);
    const gone = { ...platform.base('repository'), action: 'deleted', repository: theirs };
    await platform.github.deliver('repository', gone);
    await platform.builder().drain();
    assert.deepEqual([functions(platform), live(platform)], [['hello'], first]);
  });
});

describe('an hour of downtime', () => {
  it('loses nothing that GitHub could not deliver, in whatever order it comes then', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'zero');
    await platform.stop();
    const commits: string[] = [];
    for (const text of ['one', 'two', 'three']) {
      const { commit, status } = await platform.push(stackFiles({ hello: text }));
      assert.notEqual(status, 202);
      commits.push(commit);
    }
    // They are on the second page of what GitHub tells.
    for (let count = 0; count < 120; count += 1) await platform.github.deliver('star', { action: 'created' });
    await platform.restart({ abandon: true });
    const isAccepted = ({ guid }: { guid: string }) =>
      platform.github.state.deliveries.some((each) => each.guid === guid && each.statusCode === 202);
    await until('everything is delivered', () => platform.github.state.deliveries.every(isAccepted));
    await platform.builder().drain();
    assert.equal(live(platform), commits[2]);
    for (const commit of commits) {
      const pushes = await pushOf(platform, commit);
      assert.ok(pushes.length > 0, 'the push is known');
      for (const push of pushes) assert.equal(push.state, 'done');
    }
    const asked = () => platform.github.calls.filter(({ path }) => path.endsWith('/attempts')).length;
    assert.equal(asked(), 3);
    await platform.restart();
    await platform.builder().drain();
    assert.equal(asked(), 3, 'what is delivered is not asked for again');
  });

  it('of the whole forge or of its limits is waited out, and asked about again', async () => {
    await using platform = await startForgePlatform({ config: { compareMs: 100 } });
    await platform.stop();
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    platform.github.faults.away = true;
    await platform.restart({ abandon: true });
    await platform.builder().drain();
    assert.equal(live(platform), undefined);
    platform.github.faults.away = false;
    platform.github.limitSecondary(1, 'GET /app/hook/deliveries');
    await until('the push is deployed', () => live(platform) === commit);
  });
});

describe('a push of somebody who deploys nothing', () => {
  it('does not keep the push before it from being deployed', async () => {
    await using platform = await startForgePlatform({ ignoredPushers: ['*[bot]'] });
    const gate = platform.engine.gate('acme/shop/hello');
    const { commit } = await platform.push(stackFiles({ hello: 'one' }));
    await gate.entered;
    const { before, after } = commitTo(platform.bare, stackFiles({ hello: 'by a bot' }));
    const payload = { ...platform.base('push'), ref: 'refs/heads/main', before, after };
    const bot = { ...(payload as unknown as { sender: object }).sender, login: 'robot[bot]' };
    assert.equal(await platform.github.deliver('push', { ...payload, sender: bot }), 202);
    gate.open();
    await platform.builder().drain();
    assert.equal(live(platform), commit);
  });
});
