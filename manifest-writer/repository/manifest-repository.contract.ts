import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import type { FileChange, ManifestRepository, NewCommit } from './manifest-repository.ts';

export interface ManifestRepositorySubject extends AsyncDisposable {
  repository: ManifestRepository;
  /** Somebody else commits on top of the remote's head and publishes it. Gives the commit's id. */
  foreignCommit(changes: FileChange[], message: string): Promise<string>;
  /** The remote refuses every push from now on, saying so. */
  refusePushes(words: string): Promise<void>;
  takeRemoteAway(): Promise<void>;
  bringRemoteBack(): Promise<void>;
}

const signature = { name: 'Towline', email: 'towline@towline.invalid' };
const author = { name: 'Alice Doe', email: 'alice@example.org' };

function commit(changes: FileChange[], message = 'change\n\nTowline-Kind: deploy\n'): NewCommit {
  return { message, author, committer: signature, time: 1_700_000_000_000, changes };
}

const isAway = (error: unknown) => error instanceof TowlineError && error.code === 'remote_unavailable';

/** What every ManifestRepository does, over a remote that starts with at least one commit. */
export function describeManifestRepository(
  name: string,
  makeSubject: () => Promise<ManifestRepositorySubject>,
): void {
  describe(name, () => {
    test('commits are read back as they were made, in order', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const ids = await repository.append(parent, [
        commit([{ path: 'tenants/a/f.yaml', content: 'one\n' }]),
        commit([
          { path: 'tenants/a/f.yaml', content: 'two\n---\ndata 3\n' },
          { path: 'tenants/a/g.yaml', content: '' },
        ]),
        commit([{ path: 'tenants/a/f.yaml', content: null }]),
      ]);
      assert.equal(ids.length, 3);
      const [first = '', second = '', third = ''] = ids;
      const blob = await repository.blobOf(second, 'tenants/a/f.yaml');
      assert.equal(await repository.read(blob ?? ''), 'two\n---\ndata 3\n');
      assert.equal(await repository.blobOf(third, 'tenants/a/f.yaml'), null);
      assert.equal(await repository.blobOf(first, 'tenants/a/g.yaml'), null);
      assert.equal(await repository.blobOf(first, 'tenants'), null, 'a folder is no file');
      assert.deepEqual(
        (await repository.list(second, 'tenants/a')).map((entry) => [entry.name, entry.type]),
        [
          ['f.yaml', 'file'],
          ['g.yaml', 'file'],
        ],
      );
      assert.deepEqual(await repository.list(second, 'tenants/nobody'), []);
      assert.equal(await repository.parentOf(second), first);
      assert.equal(await repository.parentOf('f'.repeat(40)), undefined);
    });

    test('the log gives authors, trailers and each side of every change, newest first', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const message = 'deploy(a/f): #1\n\nTowline-Kind: deploy\nTowline-Reverts: x\nTowline-Reverts: y\n';
      const ids = await repository.append(parent, [
        commit([{ path: 'tenants/a/f.yaml', content: 'one' }], message),
        commit([{ path: 'other.txt', content: 'unrelated' }]),
        commit(
          [{ path: 'tenants/a/f.yaml', content: null }],
          'by hand\n\nSome prose.\nTowline-Kind: deploy\n',
        ),
      ]);
      const log = await repository.log(ids.at(-1) ?? '', ['tenants/a/f.yaml']);
      assert.deepEqual(
        log.map((one) => one.commit),
        [ids[2], ids[0]],
      );
      const [removed, made] = log;
      assert.deepEqual(made?.trailers, { 'Towline-Kind': ['deploy'], 'Towline-Reverts': ['x', 'y'] });
      assert.deepEqual([made?.author, made?.committer], [author, signature]);
      assert.equal(made?.committedAt, 1_700_000_000_000);
      assert.equal(made?.changes[0]?.before, null);
      assert.equal(removed?.changes[0]?.before, made?.changes[0]?.after);
      assert.equal(removed?.changes[0]?.after, null);
      assert.match(await repository.diff(ids[0] ?? '', ids[2] ?? '', 'tenants/a/f.yaml'), /^-one$/m);
    });

    test('nothing is published before the push, and then all of it', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const [made = ''] = await repository.append(parent, [commit([{ path: 'a.txt', content: 'x' }])]);
      assert.equal(await repository.refresh(), parent);
      assert.deepEqual(await repository.push(made, parent), { type: 'pushed' });
      assert.equal(repository.head(), made);
      assert.equal(await repository.refresh(), made);
      assert.equal(await repository.contains(made, parent), true);
      assert.equal(await repository.contains(parent, made), false);
      assert.equal(await repository.contains(made, 'e'.repeat(40)), false);
    });

    test('a push over somebody else’s commit is a lost race and overwrites nothing', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const [made = ''] = await repository.append(parent, [commit([{ path: 'a.txt', content: 'x' }])]);
      const foreign = await subject.foreignCommit([{ path: 'b.txt', content: 'y' }], 'theirs');
      assert.deepEqual(await repository.push(made, parent), { type: 'lost-race' });
      assert.equal(await repository.refresh(), foreign);
      const [again = ''] = await repository.append(foreign, [commit([{ path: 'a.txt', content: 'x' }])]);
      assert.deepEqual(await repository.push(again, foreign), { type: 'pushed' });
    });

    test('a refusal carries the remote’s own words', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      await subject.refusePushes('no deploys on Fridays');
      const [made = ''] = await repository.append(parent, [commit([{ path: 'a.txt', content: 'x' }])]);
      const result = await repository.push(made, parent);
      assert.equal(result.type, 'refused');
      assert.match(result.type === 'refused' ? result.message : '', /no deploys on Fridays/);
      assert.equal(await repository.refresh(), parent);
    });

    test('a remote that is away is told from a broken copy, and reading goes on', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const [made = ''] = await repository.append(parent, [commit([{ path: 'a.txt', content: 'x' }])]);
      await subject.takeRemoteAway();
      await assert.rejects(repository.refresh(), isAway);
      await assert.rejects(repository.push(made, parent), isAway);
      await assert.rejects(repository.repair(), isAway);
      assert.equal(repository.head(), parent);
      assert.ok((await repository.list(parent, '')).length > 0);
      await subject.bringRemoteBack();
      assert.deepEqual(await repository.push(made, parent), { type: 'pushed' });
    });

    test('after a repair and housekeeping the branch is all there', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      const [made = ''] = await repository.append(parent, [commit([{ path: 'a.txt', content: 'x' }])]);
      await repository.push(made, parent);
      await repository.repair();
      await repository.maintain();
      assert.equal(repository.head(), made);
      assert.notEqual(await repository.blobOf(made, 'a.txt'), null);
    });

    test('paths that could leave their folder or mean something to git are never written', async () => {
      await using subject = await makeSubject();
      const { repository } = subject;
      const parent = await repository.refresh();
      for (const path of ['../a', 'a/../b', '/a', 'a//b', '.git/config', 'a b', 'a\nM 100644 inline b', '']) {
        await assert.rejects(
          repository.append(parent, [commit([{ path, content: 'x' }])]),
          /not a plain path/,
        );
      }
    });
  });
}
