import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import type { DeployIntent, ManifestWriter, WriteDelay, WriteOutcome } from '../../core/manifest-writer.ts';
import type { GitOpsBranch, GitOpsCommits } from '../../core/reconciler.ts';

/** A writer under test: environments `default` and `staging`, and a repository that can go away. */
export interface ManifestWriterSubject {
  writer: ManifestWriter & GitOpsBranch & { commits: GitOpsCommits };
  /** Of alice's `hello`, from the repository `greetings`; `source` is the digit its commit and image are made of. */
  deployIntent(changes: { source: string; functionName?: string; buildId?: string }): DeployIntent;
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
}

const alice = { name: 'Alice Doe', email: 'alice@example.org', login: 'alice' };
const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const wish = { ...hello, reason: '', actor: alice };
const nobody = { ...wish, ownerId: 'id-of-somebody-else' };
const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

/** What every adapter of `ManifestWriter` and its `GitOpsCommits` keeps to. */
export function describeManifestWriter(
  name: string,
  makeSubject: (t: TestContext) => Promise<ManifestWriterSubject>,
): void {
  describe(`${name} as a ManifestWriter`, () => {
    it('writes a deploy once, numbers it, and reads it back', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const intent = deployIntent({ source: '1' });

      const first = await writer.deploy(intent);
      const commit = commitOf(first);
      assert.deepEqual('written' in first && first.written, [{ functionName: 'hello', number: 1 }]);
      assert.deepEqual(await writer.deploy(intent), first);
      const second = commitOf(await writer.deploy(deployIntent({ source: '2' })));

      const [newest, oldest, ...more] = await writer.history(hello);
      assert.deepEqual([newest?.commit, oldest?.commit, more], [second, commit, []]);
      assert.deepEqual([newest?.number, newest?.current, oldest?.current], [2, true, false]);
      assert.deepEqual([newest?.author.name, newest?.reverts], ['Alice Doe', null]);
      assert.deepEqual(await writer.history({ ...hello, limit: 1, before: second }), [oldest]);
      assert.match(await writer.at({ ...hello, commit }), /GREETING: hello/);
      const { summary, unified } = await writer.diff({ ...hello, from: commit, to: second });
      assert.ok(summary.length > 0 && unified.includes('@@'), unified);
      assert.equal((await writer.configuration(hello))?.environment['GREETING'], 'hello');
      assert.equal(await writer.configuration({ ...hello, functionName: 'none' }), undefined);
      assert.deepEqual(
        (await writer.current('alice')).map(({ functionName, repo }) => [functionName, repo]),
        [['hello', 'greetings']],
      );
      assert.deepEqual(await writer.current('bob', 'staging'), []);
    });

    it('looks at the branch when it is told to, and says so while it cannot', async (t) => {
      const { writer, deployIntent, takeAway, bringBack } = await makeSubject(t);
      const commit = commitOf(await writer.deploy(deployIntent({ source: '1' })));
      assert.equal(await writer.look(), false);
      await takeAway();
      assert.equal(await writer.look(commit), false);
      await assert.rejects(writer.look(digest('2').slice(-40)), { code: 'remote_unavailable' });
      await bringBack();
      assert.equal(await writer.look(), false);
    });

    it('gives refusals and conflicts as outcomes, and throws for what there is not', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const commit = commitOf(await writer.deploy(deployIntent({ source: '1' })));
      commitOf(await writer.deploy(deployIntent({ source: '2' })));

      assert.equal((await writer.hold(nobody)).type, 'refused');
      assert.equal((await writer.undo({ ...wish, commit })).type, 'conflict');
      const none = { ...hello, functionName: 'none' };
      await assert.rejects(writer.at({ ...none, commit }), isError('not_found'));
      await assert.rejects(writer.diff({ ...none, from: null, to: commit }), isError('not_found'));
      const secrets = await writer.secrets({
        ...{ owner: 'alice', ownerId: 'id-of-alice', repo: 'greetings', sourceCommit: null, actor: alice },
        documents: 'kind: Secret\napiVersion: v1\nmetadata: {name: alice-x}\nstringData: {x: clear}\n',
      });
      assert.equal(secrets.type, 'refused');
    });

    it('reverts, undoes, promotes and removes', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const first = commitOf(await writer.deploy(deployIntent({ source: '1' })));
      const second = commitOf(await writer.deploy(deployIntent({ source: '2' })));

      const reverted = commitOf(await writer.revert({ ...wish, toCommit: first, expectedCommit: second }));
      assert.equal((await writer.history(hello))[0]?.restores, 1);
      const late = await writer.revert({ ...wish, toCommit: second, expectedCommit: second });
      assert.equal(late.type, 'conflict');
      commitOf(await writer.undo({ ...wish, commit: reverted }));
      assert.equal((await writer.history(hello))[0]?.sourceCommit, '2'.repeat(40));
      commitOf(await writer.promote({ ...wish, from: 'default', to: 'staging' }));
      assert.equal((await writer.current('alice', 'staging')).length, 1);
      const removal = { ...hello, functionNames: ['hello'], repo: 'greetings', sourceCommit: null };
      commitOf(await writer.remove({ ...removal, reason: 'done', actor: alice, scope: 'named' }));
      assert.deepEqual(await writer.current('alice'), []);
    });

    it('keeps a wish that is asked again by its id the same wish', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const first = commitOf(await writer.deploy(deployIntent({ source: '1' })));
      commitOf(await writer.deploy(deployIntent({ source: '2' })));

      const options = { id: 'asked-once' };
      const outcome = await writer.revert({ ...wish, toCommit: first }, undefined, options);
      commitOf(await writer.deploy(deployIntent({ source: '3' })));

      assert.deepEqual(await writer.revert({ ...wish, toCommit: first }, undefined, options), outcome);
      assert.equal((await writer.history(hello))[0]?.sourceCommit, '3'.repeat(40));
    });

    it('holds, says what became of what was held, and takes it back', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      commitOf(await writer.deploy(deployIntent({ source: '1' })));
      commitOf(await writer.hold({ ...wish, reason: 'a demo' }));
      const intent = deployIntent({ source: '2' });
      const held = { ...hello, buildId: intent.buildId };
      const { owner, functionName, buildId } = held;
      const query = { owner, functionName, buildId };

      const waiting = await writer.deploy(intent);
      assert.match(waiting.type === 'held' ? waiting.reason : '', /a demo/);
      assert.equal((await writer.afterHold(query)).type, 'held');
      const withdrawn = await writer.withdraw({ ...query, reason: 'stopped by Bob' });
      assert.equal(withdrawn.type === 'refused' && withdrawn.code, 'build_cancelled');
      assert.deepEqual(await writer.withdraw({ ...query, reason: 'stopped by Bob' }), withdrawn);
      assert.deepEqual(await writer.afterHold(query), withdrawn);
      commitOf(await writer.resume(wish));
    });

    it('lets a large removal wait for an answer', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const names = [...Array(27).keys()].map((index) => `f-${index}`);
      await Promise.all(
        names.map((functionName) => writer.deploy(deployIntent({ source: '1', functionName }))),
      );
      const removal = { ...hello, functionNames: names, repo: 'greetings', sourceCommit: null };
      const ask = () => writer.remove({ ...removal, reason: 'gone', actor: alice });

      const asked = await ask();
      assert.equal(asked.type, 'needs-confirmation', JSON.stringify(asked));
      const id = asked.type === 'needs-confirmation' ? asked.id : '';
      assert.deepEqual(
        (await writer.removals('id-of-alice')).map((one) => [one.id, one.state]),
        [[id, 'waiting']],
      );
      assert.deepEqual(await writer.removals('id-of-bob'), []);
      assert.equal(await writer.rejectRemoval({ ownerId: 'id-of-bob', id, actor: alice }), false);
      const answer = { ownerId: 'id-of-alice', id, actor: alice };
      assert.equal(await writer.rejectRemoval(answer), true);
      assert.equal((await writer.removals())[0]?.state, 'rejected');
      const done = await writer.confirmRemoval(answer);
      assert.equal('written' in done && done.written.length, 27, JSON.stringify(done));
      assert.equal((await writer.confirmRemoval(answer)).type, 'refused');
    });

    it('tells who waits that the repository is away, and throws at others; every intent is kept', async (t) => {
      const { writer, deployIntent, takeAway, bringBack } = await makeSubject(t);
      commitOf(await writer.deploy(deployIntent({ source: '1' })));
      await takeAway();
      const told: (WriteDelay | undefined)[] = [];
      const isTold = Promise.withResolvers<void>();
      const onWaiting = (delay: WriteDelay | undefined) => {
        told.push(delay);
        isTold.resolve();
      };

      const patient = writer.deploy(deployIntent({ source: '2' }), undefined, { onWaiting });
      await isTold.promise;
      const other = deployIntent({ source: '3', functionName: 'other' });
      await assert.rejects(writer.deploy(other), isError('remote_unavailable'));
      await bringBack();

      commitOf(await patient);
      assert.equal(told[0]?.code, 'remote_unavailable');
      assert.equal(told.at(-1), undefined);
      commitOf(await writer.deploy(other));
      assert.equal((await writer.history({ ...hello, functionName: 'other' })).length, 1);
    });

    it('stops waiting when the caller does; what may stay is written all the same', async (t) => {
      const { writer, deployIntent, takeAway, bringBack } = await makeSubject(t);
      commitOf(await writer.deploy(deployIntent({ source: '1' })));
      await takeAway();
      const stop = new AbortController();
      const isTold = Promise.withResolvers<void>();

      const asked = writer.deploy(deployIntent({ source: '2' }), stop.signal, {
        stays: true,
        onWaiting: () => isTold.resolve(),
      });
      await isTold.promise;
      stop.abort(new Error('enough'));
      await assert.rejects(asked, { message: 'enough' });
      await bringBack();

      while ((await writer.history(hello)).length < 2)
        await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal((await writer.history(hello))[0]?.sourceCommit, '2'.repeat(40));
      await assert.rejects(
        writer.deploy(deployIntent({ source: '3' }), AbortSignal.abort(new Error('never'))),
        {
          message: 'never',
        },
      );
    });

    it('knows which commit holds which, and which image one asks for', async (t) => {
      const { writer, deployIntent } = await makeSubject(t);
      const first = commitOf(await writer.deploy(deployIntent({ source: '1' })));
      const second = commitOf(await writer.deploy(deployIntent({ source: '2' })));
      const { commits } = writer;

      assert.deepEqual(
        [await commits.contains(second, first), await commits.contains(first, second)],
        [true, false],
      );
      assert.equal(await commits.contains('9'.repeat(40), first), false);
      const { owner, functionName } = hello;
      assert.equal(await commits.wantedDigest(first, { owner, functionName }), digest('1'));
      assert.equal(await commits.wantedDigest(first, { owner, functionName: 'none' }), null);
      assert.equal(await commits.wantedDigest('9'.repeat(40), { owner, functionName }), undefined);
    });
  });
}

function commitOf(outcome: WriteOutcome): string {
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  return 'commit' in outcome ? outcome.commit : '';
}

function isError(code: string) {
  return (error: unknown) => error instanceof TowlineError && error.code === code;
}
