import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { PushEvent } from '../../core/source-event.ts';
import { commitTo, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { createForgeNames } from './forge-names.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';

type Platform = Awaited<ReturnType<typeof startForgePlatform>>;

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const pushAt = (owner: string, ownerId: string, step: number): PushEvent => ({
  ...{ type: 'push', id: `${owner}-${step}`, scm: 'github', ref: 'refs/heads/main' },
  ...{ before: String(step).repeat(40), after: String(step + 1).repeat(40) },
  actor: { name: 'a', email: '', login: 'a' },
  repository: {
    ...{ id: '5', name: 'shop', owner, ownerId, path: `${owner}/shop`, private: false },
    ...{ cloneUrl: `https://github.com/${owner}/shop.git`, defaultBranch: 'main' },
  },
});

/** Acme gives its repository to Beta; from then on payloads name Beta. */
function transferToBeta(platform: Platform) {
  const beta = platform.github.install({ login: 'Beta' }, []);
  const [moved] = platform.installation.repositories.splice(0);
  assert.ok(moved);
  moved.owner = beta.account;
  beta.repositories.push(moved);
  const there = join(dirname(dirname(platform.bare)), 'Beta');
  mkdirSync(there);
  symlinkSync(platform.bare, join(there, 'shop.git'));
  return {
    async push(files: Record<string, string>) {
      const moves = { ref: 'refs/heads/main', ...commitTo(platform.bare, files) };
      const payload = platform.base('push');
      const known = payload['repository'] as { owner: object; clone_url: string };
      const owner = { ...known.owner, id: beta.account.id, login: 'Beta', name: 'Beta' };
      const cloneUrl = known.clone_url.replace('Acme/', 'Beta/');
      const repository = { ...known, owner, full_name: 'Beta/shop', clone_url: cloneUrl };
      const installation = { id: beta.id, node_id: 'x' };
      const status = await platform.github.deliver('push', {
        ...payload,
        ...moves,
        repository,
        installation,
      });
      assert.equal(status, 202);
      await platform.builder().drain();
      return moves.after;
    },
  };
}

describe('a repository that was transferred', () => {
  it('stays with its new owner when a push to its former owner comes late', async () => {
    await using platform = await startForgePlatform();
    await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    const late = await platform.push(stackFiles({ hello: 'two' }));
    await platform.builder().drain();
    const payload = { ...platform.base('push'), ref: 'refs/heads/main', before: late.commit };
    const beta = transferToBeta(platform);
    const live = await beta.push(stackFiles({ hello: 'three' }));
    const deployed = () => ['acme', 'beta'].map((owner) => platform.writer.state.deployed(owner));
    assert.deepEqual(deployed(), [[], ['hello']]);

    await late.redeliver();
    // One that was never heard in its time.
    assert.equal(await platform.github.deliver('push', { ...payload, after: 'f'.repeat(40) }), 202);
    await platform.builder().drain();
    assert.deepEqual(deployed(), [[], ['hello']]);
    assert.equal(platform.writer.state.sourceOf('beta', 'hello'), live);
    const next = await beta.push(stackFiles({ hello: 'four' }));
    assert.equal(platform.writer.state.sourceOf('beta', 'hello'), next);
  });

  it('is moved by no push while GitHub cannot be asked whose it is', async () => {
    await using platform = await startForgePlatform();
    await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    const payload = platform.base('push');
    const known = payload['repository'] as { owner: object };
    const repository = { ...known, owner: { ...known.owner, id: 4711, login: 'Beta', name: 'Beta' } };
    const moves = { ref: 'refs/heads/main', ...commitTo(platform.bare, stackFiles({ hello: 'two' })) };
    platform.github.faults.away = true;
    assert.notEqual(await platform.github.deliver('push', { ...payload, ...moves, repository }), 202);
    await platform.builder().drain();
    assert.deepEqual(platform.writer.state.deployed('acme'), ['hello']);
  });

  it('leaves nothing at its former owner, also if the process dies between knowing and acting', async () => {
    await using platform = await startForgePlatform();
    await platform.push(stackFiles({ hello: 'one' }));
    await platform.builder().drain();
    await platform.stop();
    const database = openDatabase(join(platform.place.root, 'builder.db'), 'FULL');
    const event = pushAt('beta', '4711', 3);
    const id = String(platform.repository.id);
    createForgeNames(createSqliteInstallationStore(database)).settle({
      ...event,
      repository: { ...event.repository, id },
    });
    database.close();
    assert.deepEqual(platform.writer.state.deployed('acme'), ['hello']);
    await platform.restart({ abandon: true });
    await until('the functions are removed', () => platform.writer.state.deployed('acme').length === 0);
  });
});

describe('what a repository leaves behind at its former owner', () => {
  it('is told again until it is accepted', () => {
    const names = createForgeNames(createSqliteInstallationStore(new DatabaseSync(':memory:')));
    assert.deepEqual(names.settle(pushAt('acme', '10', 1)).before, []);
    const [first] = names.settle(pushAt('beta', '20', 3)).before;
    assert.deepEqual(
      [first?.repository.owner, first?.repository.name, first?.reason],
      ['acme', 'shop', 'transferred'],
    );
    assert.ok(first);
    const again = names.settle(pushAt('beta', '20', 3));
    assert.deepEqual([again.before, names.departures()], [[first], [first]]);
    assert.deepEqual(names.settle(first), { before: [], event: first });
    names.departed(first);
    assert.deepEqual([names.settle(pushAt('beta', '20', 3)).before, names.departures()], [[], []]);
  });

  it('is kept if it goes back there', () => {
    const names = createForgeNames(createSqliteInstallationStore(new DatabaseSync(':memory:')));
    names.settle(pushAt('acme', '10', 1));
    names.settle(pushAt('beta', '20', 3));
    const { before } = names.settle(pushAt('acme', '10', 5));
    assert.deepEqual(
      before.map(({ repository }) => repository.owner),
      ['beta'],
    );
  });
});
