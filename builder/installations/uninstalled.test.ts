import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAuditReceiver } from '../../runtime/audit/audit-receiver-fixture.ts';
import { exampleOf, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { about, chosen, deployed, functions, installed, live, until } from './installations-fixture.ts';

describe('a deletion of an installation', () => {
  it('that GitHub does not confirm takes nothing away', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 0 } });
    await deployed(platform, 'one');
    const payload = { ...exampleOf('installation'), action: 'deleted', installation: about(platform) };
    assert.equal(await platform.github.deliver('installation', { ...payload, repositories: [] }), 202);
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    const commit = await deployed(platform, 'two');
    assert.equal(live(platform), commit, 'it is served as before');
  });

  it('is waited with while GitHub cannot be asked, and while it still shows the installation', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { github, installation } = platform;
    const payload = { ...exampleOf('installation'), action: 'deleted', installation: about(platform) };
    github.faults.away = true;
    const asked = github.calls.length;
    await github.deliver('installation', { ...payload, repositories: [] });
    await until('GitHub is asked again', () => github.calls.length > asked + 2);
    github.state.installations = github.state.installations.filter((each) => each !== installation);
    github.faults.away = false;
    await platform.builder().drain();
    const commit = await deployed(platform, 'two');
    const [push] = await platform.builder().pushes({ owner: 'acme' });
    assert.deepEqual([push?.after, push?.note], [commit, 'skipped: the App was uninstalled']);
  });

  it('takes all away also if GitHub was asked for something else of it before', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 20 } });
    await deployed(platform, 'one');
    const { github } = platform;
    github.state.installations = [];
    const added = { ...exampleOf('installation_repositories'), action: 'added' };
    const other = { id: 4242, name: 'blog', full_name: 'Acme/blog', private: false, node_id: 'x' };
    const lists = { repositories_added: [other], repositories_removed: [] };
    await github.deliver('installation_repositories', {
      ...{ ...added, installation: about(platform), ...lists },
    });
    await platform.builder().drain();
    assert.deepEqual(functions(platform), ['hello']);
    await installed(platform, 'deleted');
    await until('the functions are removed', () => functions(platform).length === 0);
  });

  it('takes nothing away in the end if the App is there again and nobody told of it', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 50 } });
    await deployed(platform, 'one');
    const former = platform.installation.id;
    platform.installation.id += 1000;
    await installed(platform, 'deleted', former);
    const meanwhile = await deployed(platform, 'two');
    await until('what was pushed meanwhile is deployed', () => live(platform) === meanwhile);
    assert.deepEqual(functions(platform), ['hello']);
    assert.ok(platform.writer.commits.every(({ kind }) => kind === 'deploy'));
  });
});

it('What people do on GitHub is told to the receiver of audit events, each once', async () => {
  await using receiver = await startAuditReceiver();
  const auditWebhook = { url: receiver.url, secret: 's' };
  await using platform = await startForgePlatform({ auditWebhook, config: { uninstallGraceMs: 50 } });
  await deployed(platform, 'one');
  await installed(platform, 'suspend');
  await installed(platform, 'unsuspend');
  await chosen(platform, 'removed');
  await chosen(platform, 'added');
  const late = { ...exampleOf('installation'), action: 'suspend', installation: about(platform) };
  for (const _again of [1, 2]) {
    await platform.github.deliver('installation', { ...late, repositories: [] }, 'guid-late');
    await platform.builder().drain();
  }
  await installed(platform, 'deleted');
  await platform.restart();
  await until('the functions are removed', () => functions(platform).length === 0);
  await platform.builder().drain();
  await platform.trail.settled();
  const told = receiver.events('s').filter(({ action }) => !['deploy', 'remove', 'push'].includes(action));
  assert.deepEqual(
    told.map(({ action, result, owner, target }) => [action, result, owner, target]),
    [
      ['suspend', 'done', 'acme', 'Acme'],
      ['unsuspend', 'done', 'acme', 'Acme'],
      ['remove-repository', 'done', 'acme', 'Acme/shop'],
      ['add-repository', 'done', 'acme', 'Acme/shop'],
      ['suspend', 'outdated', 'acme', 'Acme'],
      ['uninstall', 'done', 'acme', 'Acme'],
      ['remove-repository', 'done', 'acme', 'Acme/shop'],
    ],
  );
  assert.equal(told[0]?.actor, (late as unknown as { sender: { login: string } }).sender.login);
});
