import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commitTo, exampleOf, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { about, chosen, deployed, functions, installed, live, until } from './installations-fixture.ts';

describe('what GitHub tells late', () => {
  it('of a removal or a suspension that is no more true takes nothing away', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { github } = platform;
    const removed = { ...exampleOf('installation_repositories'), action: 'removed' };
    const gone = { id: platform.repository.id, name: 'shop', full_name: 'Acme/shop', private: false };
    await github.deliver('installation_repositories', {
      ...{ ...removed, installation: about(platform), repositories_added: [], repositories_removed: [gone] },
    });
    const suspended = { ...exampleOf('installation'), action: 'suspend', installation: about(platform) };
    await github.deliver('installation', suspended);
    for (const action of ['archived', 'deleted']) {
      await github.deliver('repository', { ...platform.base('repository'), action });
    }
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    const commit = await deployed(platform, 'two');
    assert.equal(live(platform), commit);
  });

  it('of a repository that was added and is gone again serves nobody', async () => {
    await using platform = await startForgePlatform();
    commitTo(platform.bare, stackFiles({ hello: 'one' }));
    const added = { ...exampleOf('installation_repositories'), action: 'added' };
    const came = { id: platform.repository.id, name: 'shop', full_name: 'Acme/shop', private: false };
    platform.installation.repositories = [];
    await platform.github.deliver('installation_repositories', {
      ...{ ...added, installation: about(platform), repositories_added: [came], repositories_removed: [] },
    });
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);
  });

  it('of an installation that rests by then has its repositories deployed when it wakes', async () => {
    await using platform = await startForgePlatform();
    const { after } = commitTo(platform.bare, stackFiles({ hello: 'one' }));
    const { github, installation, repository } = platform;
    const came = { id: repository.id, name: 'shop', full_name: 'Acme/shop', private: false };
    const created = { ...exampleOf('installation'), action: 'created', installation: about(platform) };
    installation.suspendedAt = new Date().toISOString();
    assert.equal(await github.deliver('installation', { ...created, repositories: [came] }), 202);
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);
    await installed(platform, 'unsuspend');
    assert.equal(live(platform), after);
  });

  it('of an uninstallation, after the next installation, takes away what that one does not see', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 20 } });
    await deployed(platform, 'one');
    const { github } = platform;
    const { id, account } = platform.installation;
    const next = github.install({ id: account.id, login: account.login }, []);
    github.state.installations = [next];
    const created = {
      ...exampleOf('installation'),
      action: 'created',
      installation: about(platform, next.id),
    };
    assert.equal(await github.deliver('installation', { ...created, repositories: [] }), 202);
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    const deleted = { ...created, action: 'deleted', installation: about(platform, id) };
    assert.equal(await github.deliver('installation', deleted), 202);
    await until('nothing of it is left', () => functions(platform).length === 0);
  });

  it('of a repository that an installation lost which is gone takes it away if the next one does not see it', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { github } = platform;
    const { id, account } = platform.installation;
    const next = github.install({ id: account.id, login: account.login }, []);
    const gone = { id: platform.repository.id, name: 'shop', full_name: 'Acme/shop', private: false };
    next.repositories = [platform.repository];
    github.state.installations = [next];
    const installation = about(platform, next.id);
    for (const [action, about] of [
      ['deleted', { ...installation, id }],
      ['created', installation],
    ] as const) {
      const told = { ...exampleOf('installation'), action, installation: about, repositories: [gone] };
      assert.equal(await github.deliver('installation', told), 202);
    }
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    next.repositories = [];
    const event = 'installation_repositories';
    const lists = { repositories_added: [], repositories_removed: [gone] };
    const former = { ...installation, id };
    await github.deliver(event, { ...exampleOf(event), action: 'removed', installation: former, ...lists });
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);
  });

  it('takes away what is archived, and waits with it while GitHub cannot be asked', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    platform.github.faults.away = true;
    platform.repository.archived = true;
    const asked = platform.github.calls.length;
    await platform.github.deliver('repository', { ...platform.base('repository'), action: 'archived' });
    await until('GitHub is asked again', () => platform.github.calls.length > asked + 2);
    assert.deepEqual(functions(platform), ['hello']);
    platform.github.faults.away = false;
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);
  });
});

describe('what one account can never be served for', () => {
  it('holds up nobody else', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { id, account } = platform.github.install({ login: 'acme_' }, [{ name: 'shop' }]);
    const shop = { ...platform.github.repository('acme_/shop'), node_id: 'x', full_name: 'acme_/shop' };
    const ours = about(platform, id);
    const theirs = { ...ours, account: { ...ours.account, id: account.id, login: account.login } };
    const created = { ...exampleOf('installation'), action: 'created', installation: theirs };
    assert.equal(await platform.github.deliver('installation', { ...created, repositories: [shop] }), 202);
    await chosen(platform, 'removed');
    assert.deepEqual(functions(platform), []);
    assert.ok(platform.logged.some((line) => line.includes('name_taken')));
  });
});
