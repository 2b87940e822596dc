import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HistoryEntry, ManifestWriter } from '../core/manifest-writer.ts';
import { alice, committer, deployIntent, gitopsFixture, searchPath } from './gitops-fixture.ts';
import { naiveHistory } from './index/naive-history.ts';
import { openGitRepository } from './repository/manifest-repository-git.ts';

const verbs = [
  'deploy',
  'revert',
  'undo',
  'hold',
  'resume',
  'remove',
  'person reverts',
  'person reverts two',
  'person edits',
] as const;
type Step = { verb: (typeof verbs)[number]; name: 'a' | 'b'; pick: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    verb: fc.constantFrom('deploy' as const, 'deploy' as const, ...verbs),
    name: fc.constantFrom('a' as const, 'b' as const),
    pick: fc.nat({ max: 9 }),
  }),
  { minLength: 4, maxLength: 10 },
);

type Person = Awaited<ReturnType<Awaited<ReturnType<typeof gitopsFixture>>['person']>>;

/** A person's revert may not be possible; then nothing is pushed. */
async function personActs(person: Person, { verb, name, pick }: Step): Promise<void> {
  await person.git('pull', '--quiet', '--ff-only');
  const file = join(person.path, `tenants/alice/${name}.yaml`);
  if (verb === 'person edits') {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return;
    await writeFile(file, `${text}# ${pick % 3}\n`);
    await person.git('commit', '--quiet', '-am', 'By hand');
  } else {
    const range = verb === 'person reverts two' ? ['HEAD~2..HEAD'] : [`HEAD~${pick % 3}`];
    const done = await person.git('revert', '--no-edit', ...range).catch(() => undefined);
    if (done === undefined) return void (await person.git('reset', '--quiet', '--hard', 'origin/main'));
  }
  await person.git('push', '--quiet');
}

async function act(writer: ManifestWriter, person: Person, step: Step): Promise<void> {
  const { verb, name, pick } = step;
  const place = {
    owner: 'alice',
    ownerId: 'id-of-alice',
    functionName: name,
    reason: `because ${pick}`,
    actor: alice,
  };
  const entries = await writer.history(place);
  const commit = entries[pick % Math.max(1, entries.length)]?.commit ?? '';
  if (verb === 'deploy') await writer.deploy(deployIntent({ functionName: name, source: String(pick) }));
  else if (verb === 'revert') await writer.revert({ ...place, toCommit: commit, hold: pick > 7 });
  else if (verb === 'undo') await writer.undo({ ...place, commit: entries[0]?.commit ?? '' });
  else if (verb === 'hold' || verb === 'resume') await writer[verb](place);
  else if (verb === 'remove') {
    await writer.remove({ ...place, functionNames: [name], repo: 'greetings', sourceCommit: null });
  } else await personActs(person, step);
}

/** What a person's commit runs, and whether it only holds, is read from its manifest, which no log tells. */
function fromLog(entry: HistoryEntry): HistoryEntry {
  if (!entry.direct) return entry;
  const kind = entry.kind === 'hold' || entry.kind === 'resume' ? 'edit' : entry.kind;
  return { ...entry, kind, image: null, sourceCommit: null };
}

test('whatever people and Towline do, the history is what git log tells, also from an index made anew', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const gitops = await gitopsFixture(t);
      // A waiting deploy would be taken up at a time that the test doesn't choose.
      const writer = await gitops.writer();
      const person = await gitops.person();
      for (const step of sequence) await act(writer, person, step);
      await writer[Symbol.asyncDispose]();
      const reader = await gitops.writer({ waitingPath: join(gitops.folder, 'nothing-waits.db') });
      const told = await reader.history({ owner: 'alice' });
      const fresh = await gitops.writer({
        clonePath: join(gitops.folder, 'fresh.git'),
        waitingPath: join(gitops.folder, 'nothing-waits-either.db'),
      });
      assert.deepEqual(await fresh.history({ owner: 'alice' }), told);
      await using repository = await openGitRepository({
        remoteUrl: gitops.remote,
        clonePath: join(gitops.folder, 'naive.git'),
        branch: 'main',
        searchPath,
        remoteTimeoutMs: 10_000,
        maxObjectBytes: 1_000_000,
      });
      const naive = await naiveHistory(repository, repository.head(), 'alice', committer.email);
      assert.deepEqual(told.map(fromLog), naive.map(fromLog));
      for (const name of ['a', 'b']) {
        const own = await reader.history({ owner: 'alice', functionName: name });
        assert.deepEqual(
          own,
          told.filter((entry) => entry.functionName === name),
        );
      }
    }),
    { numRuns: 6, endOnFailure: true },
  );
});
