import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { createLogger } from '../../runtime/logger.ts';
import { commitTo, exampleOf, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import { noneMissed } from '../deliveries/recover-pushes.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import type { KnownRepository } from '../source/source-access.ts';
import { createComparisons } from './comparisons.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';
import { about, chosen, deployed, functions, type Platform, shop, until } from './installations-fixture.ts';

/** An installation on another account, whose repositories are told of at once. */
async function installBig(platform: Platform, count: number): Promise<void> {
  const { github } = platform;
  const names = Array.from({ length: count }, (_, index) => ({ name: `r${index}` }));
  const empty = join(platform.place.root, 'git', 'Bigcorp', 'r0.git');
  const env = gitEnvironment(process.env['PATH'] ?? '');
  await gitOutput({ args: ['init', '--quiet', '--bare', empty], cwd: tmpdir(), env });
  for (const { name } of names.slice(1)) cpSync(empty, join(empty, '..', `${name}.git`), { recursive: true });
  const { id, account } = github.install({ login: 'Bigcorp' }, names);
  const ours = about(platform, id);
  const installation = { ...ours, account: { ...ours.account, id: account.id, login: 'Bigcorp' } };
  const repositories = names.map(({ name }) => {
    return { ...github.repository(`Bigcorp/${name}`), node_id: 'x', full_name: `Bigcorp/${name}` };
  });
  const payload = { ...exampleOf('installation'), action: 'created', installation, repositories };
  assert.equal(await github.deliver('installation', payload), 202);
}

const compared = ({ github }: Platform) =>
  github.calls.filter(({ path }) => path.includes('access_tokens')).length;

describe('an installation with many repositories', () => {
  it('holds up nobody: others are acted on while its repositories are compared', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const before = compared(platform);
    await installBig(platform, 24);
    platform.installation.repositories = [];
    const payload = { ...exampleOf('installation_repositories'), action: 'removed' };
    const lists = { repositories_added: [], repositories_removed: [shop(platform)] };
    const removed = { ...payload, ...lists, installation: about(platform) };
    assert.equal(await platform.github.deliver('installation_repositories', removed), 202);
    while (functions(platform).length > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(compared(platform) - before < 24, 'most of them are still to be compared');
    await platform.builder().drain();
    assert.ok(compared(platform) - before >= 24);
  });
});

describe('a repository that came and is taken away while it waits to be compared', () => {
  it('is not deployed', async () => {
    await using platform = await startForgePlatform();
    commitTo(platform.bare, stackFiles({ hello: 'one' }));
    await installBig(platform, 8);
    const payload = exampleOf('installation_repositories');
    const [came, gone] = [
      { action: 'added', repositories_added: [shop(platform)], repositories_removed: [] },
      { action: 'removed', repositories_added: [], repositories_removed: [shop(platform)] },
    ];
    const tell = (what: object) =>
      platform.github.deliver('installation_repositories', {
        ...{ ...payload, ...what, installation: about(platform) },
      });
    assert.equal(await tell(came), 202);
    platform.installation.repositories = [];
    assert.equal(await tell(gone), 202);
    await platform.builder().drain();
    assert.deepEqual(functions(platform), []);
    await chosen(platform, 'added');
    assert.deepEqual(functions(platform), ['hello'], 'it can come back');
  });
});

describe('a repository that came while its forge did not answer', () => {
  it('is deployed when the forge answers again', async () => {
    await using platform = await startForgePlatform({ config: { retry: { firstMs: 200, maxMs: 200 } } });
    commitTo(platform.bare, stackFiles({ hello: 'one' }));
    renameSync(platform.bare, `${platform.bare}.away`);
    const lists = { repositories_added: [shop(platform)], repositories_removed: [] };
    const came = { ...exampleOf('installation_repositories'), action: 'added', ...lists };
    const told = { ...came, installation: about(platform) };
    assert.equal(await platform.github.deliver('installation_repositories', told), 202);
    await until('it was asked in vain', () =>
      platform.logged.some((line) => line.includes('cannot be compared yet')),
    );
    renameSync(`${platform.bare}.away`, platform.bare);
    await until('it is deployed', () => functions(platform).includes('hello'));
  });
});

const repository = (ownerId: string, id: string): KnownRepository => ({
  scm: 'github',
  repository: {
    ...{ id, name: `r${id}`, owner: `o${ownerId}`, ownerId, private: false, defaultBranch: 'main' },
    cloneUrl: `https://github.com/o${ownerId}/r${id}.git`,
  },
});

/** Comparisons over one database, each as another process would have them. */
function scene() {
  const dir = mkdtempSync(join(tmpdir(), 'towline-comparisons-'));
  const stop = new AbortController();
  const databases: ReturnType<typeof openDatabase>[] = [];
  const asked: string[] = [];
  return {
    asked,
    open(
      find: (id: string) => Promise<void> = async () => {},
      retry = { firstMs: 1, maxMs: 2 },
      answers = () => true,
    ) {
      const database = openDatabase(join(dir, 'a.db'), 'FULL');
      databases.push(database);
      const running = new Set<Promise<void>>();
      const store = createSqliteInstallationStore(database, assert.ifError);
      const comparisons = createComparisons({
        store,
        async findMissed([one]) {
          const id = one?.repository.id ?? '';
          await find(id);
          asked.push(id);
          return { ...noneMissed, isWhole: answers() };
        },
        onFree: () => comparisons.work(new Set()),
        background: (_what, work) => void running.add(work),
        retry,
        logger: createLogger({ level: 'silent', name: 't' }),
        now: Date.now,
        signal: stop.signal,
      });
      return { comparisons, settled: () => Promise.all(running), marked: () => store.comparisons().length };
    },
    [Symbol.dispose]() {
      stop.abort(new Error('the test ends'));
      for (const database of databases) database.close();
      rmSync(dir, { recursive: true });
    },
  };
}

const ids = (from: number, count: number) => Array.from({ length: count }, (_, index) => `${from + index}`);

describe('comparisons', () => {
  it('that were marked outlive the process, and are done once', async () => {
    using at = scene();
    at.open().comparisons.mark(ids(1, 30).map((id) => repository('7', id)));
    const second = at.open();
    second.comparisons.work(new Set(['github:repository:3']));
    await second.settled();
    const most = ids(1, 30).filter((id) => id !== '3');
    assert.deepEqual(at.asked.toSorted(), most.toSorted(), 'what waits for somebody else waits');
    const third = at.open();
    third.comparisons.work(new Set());
    await third.settled();
    assert.deepEqual(at.asked.slice(29), ['3']);
  });

  it('of an owner whose host hangs take no place of the others', async () => {
    using at = scene();
    const hung = new Promise<void>(() => {});
    const { comparisons } = at.open((id) => (Number(id) < 1000 ? hung : Promise.resolve()));
    comparisons.mark(ids(1, 100).map((id) => repository('7', id)));
    comparisons.work(new Set());
    const theirs = ids(1000, 50);
    const all = comparisons.all(
      [...ids(101, 100).map((id) => repository('7', id)), ...theirs.map((id) => repository('8', id))],
      0,
    );
    void all.catch(() => {});
    await until('the other owner is compared', () => at.asked.length === theirs.length);
    assert.deepEqual(at.asked.toSorted(), theirs.toSorted());
  });

  it('that fail are tried again, and let the others of their owner go on', async () => {
    using at = scene();
    let tries = 0;
    const { comparisons } = at.open(async (id) => {
      if (id === '1' && ++tries < 3) throw new Error('the delivery log is away');
    });
    comparisons.mark(['1', '2'].map((id) => repository('7', id)));
    await until('both are compared', () => {
      comparisons.work(new Set());
      return at.asked.length === 2;
    });
    assert.deepEqual([at.asked, tries], [['2', '1'], 3]);
    await until('nothing waits', () => comparisons.retryAt() === undefined);
  });

  it('that are marked anew are tried at once, and nothing waits when they have succeeded', async () => {
    using at = scene();
    let isAway = true;
    const { comparisons, settled } = at.open(
      async () => {
        if (isAway) throw new Error('the forge is away');
      },
      { firstMs: 60_000, maxMs: 60_000 },
    );
    const one = repository('7', '1');
    comparisons.mark([one]);
    comparisons.work(new Set());
    await settled();
    assert.ok((comparisons.retryAt() ?? 0) > Date.now());
    isAway = false;
    comparisons.mark([one]);
    comparisons.work(new Set());
    await settled();
    assert.deepEqual([at.asked, comparisons.retryAt()], [['1'], undefined]);
  });

  it('that are tried again and hang, or wait for somebody else, have nobody look at the clock', async () => {
    using at = scene();
    let tries = 0;
    const { comparisons } = at.open(async (id) => {
      if (id === '2') throw new Error('the forge is away');
      tries += 1;
      if (tries === 1) throw new Error('the forge is away');
      return new Promise(() => {});
    });
    comparisons.mark([repository('7', '1')]);
    await until('the second try hangs', () => {
      comparisons.work(new Set());
      return tries === 2;
    });
    assert.equal(comparisons.retryAt(), undefined);
    comparisons.mark([repository('7', '2')]);
    comparisons.work(new Set());
    await until('the other one has failed', () => comparisons.retryAt() !== undefined);
    await until('it is due', () => {
      comparisons.work(new Set(['github:repository:2']));
      return comparisons.retryAt() === undefined;
    });
  });

  it('of a repository that did not answer are tried again, then with the next comparison of all', async () => {
    using at = scene();
    let answers = false;
    const { comparisons, settled, marked } = at.open(undefined, undefined, () => answers);
    comparisons.mark([repository('7', '1')]);
    await until('nobody tries any more', () => {
      comparisons.work(new Set());
      return at.asked.length > 1 && comparisons.retryAt() === undefined && at.asked.length === 8;
    });
    await settled();
    comparisons.work(new Set());
    assert.deepEqual([at.asked.length, marked()], [8, 1], 'it is kept');
    answers = true;
    await comparisons.all([], 0);
    await until('it is compared', () => marked() === 0);
  });
});
