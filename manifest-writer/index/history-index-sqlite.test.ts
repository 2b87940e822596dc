import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { historyEntry } from '../history/history-entry.ts';
import { commitMessage } from '../message/commit-message.ts';
import { manifestPath, tenantFolder } from '../paths.ts';
import { createGitOpsRepository } from '../repository/create-gitops-repository.ts';
import {
  DamagedCopyError,
  type FileChange,
  type ManifestRepository,
  type NewCommit,
} from '../repository/manifest-repository.ts';
import { openGitRepository } from '../repository/manifest-repository-git.ts';
import { openHistoryIndex } from './history-index-sqlite.ts';
import { withHistory } from './indexed-repository.ts';
import { naiveHistory } from './naive-history.ts';

const searchPath = '/usr/local/bin:/usr/bin:/bin';
const committer = { name: 'Towline', email: 'towline@towline.invalid' };
const olga = { name: 'Olga', email: 'olga@example.org' };
const templateDir = join(import.meta.dirname, '../../gitops-repo-template/base');
const sha = (digit: number) => String(digit % 10).repeat(40);
const wholePage = { limit: 1000 };

async function fixture(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'towline-index-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const remote = join(folder, 'gitops.git');
  const env = { PATH: searchPath };
  await createGitOpsRepository({ path: remote, templateDir, branch: 'main', committer, env });
  const plain = await openGitRepository({
    remoteUrl: remote,
    clonePath: join(folder, 'writer.git'),
    branch: 'main',
    searchPath,
    remoteTimeoutMs: 10_000,
    maxObjectBytes: 1_000_000,
  });
  const path = join(folder, 'index.db');
  const rebuilds: string[] = [];
  const calls: string[] = [];
  const counted: ManifestRepository = {
    ...plain,
    mainline(head, since, visit) {
      calls.push(since === null ? 'all' : 'new');
      return plain.mainline(head, since, visit);
    },
  };
  const open = () => {
    const onRebuild = (error: Error) => rebuilds.push(error.message);
    return openHistoryIndex({ path, repository: counted, onRebuild });
  };
  t.after(() => plain[Symbol.asyncDispose]());
  const git = (...args: string[]) => {
    const person = gitEnvironment(searchPath, {
      GIT_DIR: remote,
      GIT_AUTHOR_NAME: olga.name,
      GIT_AUTHOR_EMAIL: olga.email,
      GIT_COMMITTER_NAME: olga.name,
      GIT_COMMITTER_EMAIL: olga.email,
    });
    return gitOutput({ args, env: person });
  };
  return { folder, path, plain, open, rebuilds, calls, git };
}

interface Step {
  by: 'towline' | 'olga';
  kind: 'deploy' | 'remove' | 'revert' | 'hold' | 'edit';
  functions: number[];
  content: number;
  /** How many commits back the named one is. */
  back: number;
}

const names = ['a', 'b', 'c'];
const stepOf: fc.Arbitrary<Step> = fc.record({
  by: fc.constantFrom('towline', 'towline', 'olga'),
  kind: fc.constantFrom('deploy', 'deploy', 'remove', 'revert', 'hold', 'edit'),
  functions: fc.uniqueArray(fc.nat({ max: 2 }), { minLength: 1, maxLength: 3 }),
  content: fc.nat({ max: 4 }),
  back: fc.nat({ max: 6 }),
});

function commitOf(step: Step, made: readonly string[], at: number): NewCommit {
  const functions = step.functions.map((index) => names[index] ?? 'a');
  const content = step.kind === 'remove' ? null : `content ${step.content}\n`;
  const named = made.at(-1 - step.back);
  const trailers = {
    'Towline-Kind': step.kind,
    'Towline-Function': functions.map((name) => `alice/${name}`),
    'Towline-Source-Commit': step.kind === 'remove' ? null : sha(step.content),
    'Towline-Image': `image-${step.content}`,
    'Towline-Build': step.kind === 'deploy' ? `build-${at}` : null,
    'Towline-Reverts': step.kind === 'revert' && named ? [named] : [],
  };
  const words = step.kind === 'revert' && named ? `Revert\n\nThis reverts commit ${named}.\n` : 'By hand\n';
  return {
    message: step.by === 'towline' ? commitMessage(`${step.kind}: #${at}`, trailers) : words,
    author: olga,
    committer: step.by === 'towline' ? committer : olga,
    time: 1_700_000_000_000 + at * 1000,
    changes: functions.map((name): FileChange => ({ path: manifestPath('alice', name), content })),
  };
}

test('however a history came about, the index, a fresh one and a plain git log tell the same', async (t) => {
  const { folder, plain, open, git } = await fixture(t);
  let count = 0;
  const base = plain.head();
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf, { minLength: 1, maxLength: 14 }), async (steps) => {
      count += 1;
      // The branch is rewritten for each run: the index must drop what is no longer on it.
      await git('update-ref', 'refs/heads/main', base);
      await plain.refresh();
      const repository = withHistory(
        { ...plain, [Symbol.asyncDispose]: async () => {} },
        open(),
        committer.email,
      );
      const made: string[] = [];
      for (const [at, step] of steps.entries()) {
        const head = repository.head();
        const commit = commitOf(step, made, count * 100 + at);
        const gone = await Promise.all(
          commit.changes.map(
            async (one) => one.content !== null || (await plain.blobOf(head, one.path)) !== null,
          ),
        );
        commit.changes = commit.changes.filter((_, index) => gone[index]);
        const [id = ''] = await repository.append(head, [commit]);
        assert.equal((await repository.push(id, head)).type, 'pushed');
        made.push(id);
        // Sometimes it is told of a commit, sometimes it finds out.
        if (at % 3 === 0) await repository.history(id);
      }
      const head = repository.head();
      const naive = await naiveHistory(plain, head, 'alice', committer.email);
      const told = (await repository.history(head)).pageOfFolder(tenantFolder('alice'), wholePage);
      assert.deepEqual(
        told.map((one) => historyEntry(one, committer.email)),
        naive,
      );
      await repository[Symbol.asyncDispose]();
      const path = join(folder, `fresh-${count}.db`);
      await using fresh = openHistoryIndex({ path, repository: plain });
      const again = (await fresh.at(head)).pageOfFolder(tenantFolder('alice'), wholePage);
      assert.deepEqual(again, told);
      for (const commit of made) {
        const then = await fresh.at(commit);
        const entries = then.pageOfFolder(tenantFolder('alice'), wholePage);
        const naiveThen = await naiveHistory(plain, commit, 'alice', committer.email);
        assert.deepEqual(
          entries.map((one) => historyEntry(one, committer.email)),
          naiveThen,
          'as of an earlier head',
        );
      }
    }),
    { numRuns: 8, endOnFailure: true },
  );
});

async function deploys(repository: ManifestRepository, count: number): Promise<string[]> {
  const steps = [...Array(count).keys()].map((content) => {
    return commitOf({ by: 'towline', kind: 'deploy', functions: [0], content, back: 0 }, [], content);
  });
  const head = repository.head();
  const ids = await repository.append(head, steps);
  assert.equal((await repository.push(ids.at(-1) ?? '', head)).type, 'pushed');
  return ids;
}

test('an index that was deleted, cut, filled with nonsense or of another version is made anew', async (t) => {
  const { path, plain, open, calls } = await fixture(t);
  await deploys(plain, 5);
  const file = manifestPath('alice', 'a');
  const first = open();
  const before = (await first.at(plain.head())).pageOfFile(file, wholePage);
  await first[Symbol.asyncDispose]();
  assert.equal(before.length, 5);
  const damages: [string, () => Promise<unknown> | undefined][] = [
    ['deleted', () => rm(path)],
    ['nonsense', () => writeFile(path, 'not a database at all'.repeat(1000))],
    ['empty', () => writeFile(path, '')],
    ['cut', async () => writeFile(path, (await readFile(path)).subarray(0, 6000))],
    ['holes', async () => writeFile(path, (await readFile(path)).fill(7, 4096 * 2, 4096 * 6))],
    [
      'another version',
      async () => {
        const database = new DatabaseSync(path);
        database.exec('pragma user_version = 999');
        database.close();
      },
    ],
  ];
  for (const [what, damage] of damages) {
    await damage();
    calls.length = 0;
    await using index = open();
    const read = async () => (await index.at(plain.head())).pageOfFile(file, wholePage);
    // What is only seen to be broken by a question is made anew for the next one.
    const entries = await read().catch((error: unknown) => {
      assert.ok(error instanceof DamagedCopyError);
      return read();
    });
    assert.deepEqual(entries, before, what);
    assert.deepEqual(calls.includes('all'), true, what);
  }
  calls.length = 0;
  await using index = open();
  await index.at(plain.head());
  assert.deepEqual(calls, [], 'a whole index is taken as it is');
  assert.ok((await stat(path)).size > 0);
});

test('a rewritten history costs only what is new on it', async (t) => {
  const { plain, open, calls, git } = await fixture(t);
  const ids = await deploys(plain, 6);
  await using index = open();
  await index.at(plain.head());
  await git('update-ref', 'refs/heads/main', ids[2] ?? '');
  await plain.refresh();
  const file = manifestPath('alice', 'a');
  assert.equal((await index.at(plain.head())).count(file), 3);
  await deploys(plain, 1);
  calls.length = 0;
  const history = await index.at(plain.head());
  assert.deepEqual([history.count(file), history.has(ids[3] ?? '')], [4, false]);
  assert.ok(!calls.includes('all'));
  assert.deepEqual(history.ofBuild(file, 'build-5'), []);
});

test('a merge that puts the branch aside does not make its source commits unknown', async (t) => {
  const { folder, plain, open, git } = await fixture(t);
  const base = plain.head();
  const work = join(folder, 'work');
  await git('worktree', 'add', '--detach', work, base);
  await writeFile(join(work, 'notes.txt'), 'note\n');
  const inWork = (...args: string[]) => {
    const identity = {
      GIT_AUTHOR_NAME: 'o',
      GIT_AUTHOR_EMAIL: 'o',
      GIT_COMMITTER_NAME: 'o',
      GIT_COMMITTER_EMAIL: 'o',
    };
    return gitOutput({ args, cwd: work, env: gitEnvironment(searchPath, identity) });
  };
  await inWork('add', '.');
  await inWork('commit', '--quiet', '-m', 'Note');
  await using index = open();
  await deploys(plain, 3);
  await index.at(plain.head());
  // What `git pull` does for a person: theirs is the first parent, the branch the second.
  await inWork('merge', '--quiet', '--no-edit', 'main');
  await inWork('push', '--quiet', join(folder, 'gitops.git'), 'HEAD:main');
  await plain.refresh();
  const history = await index.at(plain.head());
  const file = manifestPath('alice', 'a');
  assert.equal(history.count(file), 1);
  assert.ok([0, 1, 2].every((digit) => history.hasSource(file, sha(digit))));
  assert.ok(!history.hasSource(file, sha(5)));
});

test('pages of a folder never split a commit', async (t) => {
  const { plain, open } = await fixture(t);
  const step = { by: 'towline', kind: 'deploy', back: 0 } as const;
  const commits = [1, 2, 3].map((content) =>
    commitOf({ ...step, functions: [0, 1, 2], content }, [], content),
  );
  const head = plain.head();
  const ids = await plain.append(head, commits);
  await plain.push(ids.at(-1) ?? '', head);
  await using index = open();
  const history = await index.at(plain.head());
  const folder = tenantFolder('alice');
  const first = history.pageOfFolder(folder, { limit: 4 });
  const second = history.pageOfFolder(folder, { limit: 4, before: first.at(-1)?.commit });
  assert.deepEqual([first.length, second.length], [6, 3]);
  assert.deepEqual([...first, ...second], history.pageOfFolder(folder, wholePage));
  assert.deepEqual(history.pageOfFolder(folder, { limit: 4, before: sha(9) }), []);
  assert.deepEqual(history.commitsOfSource(sha(2), 10), [ids[1]]);
});
