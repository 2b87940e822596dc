import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { PushEvent } from '../../core/source-event.ts';
import { startForgePlatform } from '../../test/forges/forge-platform.ts';
import { createForgeNames } from './forge-names.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';
import { deployed, functions, type Platform, until } from './installations-fixture.ts';

/** GitHub tells of a push to a repository of another account, which has installed the App too. */
async function pushTo(platform: Platform, login: string, name: string, after: string) {
  const { github, base } = platform;
  const { id, account } = github.install({ login }, [{ name }]);
  const payload = base('push');
  const known = payload['repository'] as { owner: object; clone_url: string };
  const owner = { ...known.owner, id: account.id, login, name: login };
  const url = known.clone_url.replace('Acme/shop', `${login}/${name}`);
  const ids = { id: github.repository(`${login}/${name}`).id, name, full_name: `${login}/${name}` };
  const status = await github.deliver('push', {
    ...{ ...payload, ref: 'refs/heads/main', after, installation: { id, node_id: 'x' } },
    repository: { ...known, ...ids, owner, clone_url: url },
  });
  await platform.builder().drain();
  const runs = () => github.state.checkRuns.filter(({ headSha }) => headSha === after);
  await until('the commit is told', () => runs().some(({ conclusion }) => conclusion !== null));
  return { status, runs: runs(), slug: `unserved--github-${account.id}` };
}

describe('a push of an owner or a repository that can have no name here', () => {
  it('is told on its commit when its owner’s name is another owner’s, whose functions stay', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const { status, runs, slug } = await pushTo(platform, 'acme_', 'shop', 'c'.repeat(40));
    assert.equal(status, 202);
    assert.deepEqual(
      runs.map((run) => [
        run.name,
        run.conclusion,
        /"acme" is the name of another/.test(run.output.title ?? ''),
      ]),
      [['towline', 'neutral', true]],
    );
    assert.equal((await platform.builder().pushes({ owner: slug }))[0]?.after, 'c'.repeat(40));
    assert.equal((await platform.builder().pushes({ owner: 'acme' })).length, 1);
    assert.deepEqual(functions(platform), ['hello']);
  });

  it('is told on its commit when the name is reserved, too long or none that we can serve', async () => {
    await using platform = await startForgePlatform();
    const places = [
      ['admin', 'shop', /"admin" is reserved/],
      ['a'.repeat(40), 'shop', /at most 39 characters/],
      ['Beta', '.github', /its name cannot be served/],
    ] as const;
    for (const [index, [login, name, why]] of places.entries()) {
      const { status, runs } = await pushTo(platform, login, name, `${index + 1}`.repeat(40));
      assert.equal(status, 202);
      assert.deepEqual([runs.length, runs[0]?.conclusion], [1, 'neutral']);
      assert.match(runs[0]?.output.title ?? '', why);
    }
  });
});

describe('names that are refused', () => {
  const push = (login: string, ownerId: string, step: number): PushEvent => ({
    ...{ type: 'push', id: `${login}-${step}`, scm: 'gitlab', ref: 'refs/heads/main' },
    ...{ before: String(step).repeat(40), after: String(step + 1).repeat(40) },
    actor: { name: 'a', email: '', login: 'a' },
    repository: {
      ...{ id: '5', name: 'shop', owner: 'acme', ownerId, path: `${login}/shop`, private: false },
      ...{ cloneUrl: `https://gitlab.com/${login}/shop.git`, defaultBranch: 'main' },
    },
  });

  it('stay refused under their stand-in, as a comparison of branches brings them', () => {
    const names = createForgeNames(
      createSqliteInstallationStore(new DatabaseSync(':memory:'), assert.ifError),
    );
    names.settle({ ...push('acme', '1', 1), repository: { ...push('acme', '1', 1).repository, id: '4' } });
    const first = names.settle(push('acme_', '2', 1)).event;
    assert.equal(first.repository.owner, 'unserved--gitlab-2');
    const again = names.settle({ ...push('acme_', '2', 2), repository: first.repository }).event;
    assert.ok(again.type === 'push' && again.skipped);
    assert.equal(names.ownerPath('gitlab', '2'), undefined);
  });

  it('of Gitea stay refused under their stand-in, and its others are taken as they are', () => {
    const names = createForgeNames(
      createSqliteInstallationStore(new DatabaseSync(':memory:'), assert.ifError),
    );
    const found = push('admin', 'gitea-7', 1);
    const repository = { ...found.repository, owner: 'unserved--git-gitea-7' };
    const { event } = names.settle({ ...found, scm: 'git', repository });
    assert.ok(event.type === 'push' && /"admin" is reserved/.test(event.skipped ?? ''));
    const served = { ...push('acme', 'gitea-8', 1), scm: 'git' as const };
    assert.deepEqual(names.settle(served), { before: [], event: served });
  });

  it('take away what a former owner had, until that is accepted', () => {
    const names = createForgeNames(
      createSqliteInstallationStore(new DatabaseSync(':memory:'), assert.ifError),
    );
    names.settle(push('acme', '1', 1));
    const moved = push('acme_', '2', 2);
    // Of a death between the answer and the removal.
    names.settle(moved);
    const [departure] = names.settle(moved).before;
    assert.deepEqual([departure?.repository.ownerId, departure?.reason], ['1', 'transferred']);
    assert.ok(departure);
    names.accepted(departure);
    assert.deepEqual(names.settle(moved).before, []);
  });

  it('of a removal claim none', () => {
    const names = createForgeNames(
      createSqliteInstallationStore(new DatabaseSync(':memory:'), assert.ifError),
    );
    const { id, scm, repository, actor } = push('acme_', '2', 1);
    names.settle({ type: 'repository-deleted', id, scm, repository, actor });
    assert.equal(names.settle(push('acme', '1', 1)).event.repository.owner, 'acme');
  });
});
