import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { IntentLog } from './intent-log.ts';

export interface IntentLogSubject extends AsyncDisposable {
  /** Opens the log; again, as a process would that starts after the last one was killed. */
  open(maxFinished?: number): IntentLog;
}

const intent = (id: string) => ({ id, kind: 'deploy', body: { text: `of ${id}`, list: [1, null] } });
const pushed: WriteOutcome = {
  type: 'pushed',
  commit: 'a'.repeat(40),
  written: [{ functionName: 'f', number: 1 }],
};
const skipped: WriteOutcome = { type: 'skipped', reason: 'replaced' };

/** What every IntentLog does. */
export function describeIntentLog(name: string, makeSubject: () => Promise<IntentLogSubject>): void {
  describe(name, () => {
    test('what was accepted is found by the next process, whole and in order', async () => {
      await using subject = await makeSubject();
      const log = subject.open();
      log.accept([intent('a'), intent('b')], 5);
      log.accept([intent('c')], 6);
      const found = subject.open().pending();
      assert.deepEqual(
        found.map(({ id, kind, body, acceptedAt, attempts }) => ({ id, kind, body, acceptedAt, attempts })),
        [
          { ...intent('a'), acceptedAt: 5, attempts: [] },
          { ...intent('b'), acceptedAt: 5, attempts: [] },
          { ...intent('c'), acceptedAt: 6, attempts: [] },
        ],
      );
      assert.ok(found.every((one, index) => index === 0 || one.seq > found[index - 1]!.seq));
    });

    test('an id is one intent: asked again it is pending, then finished with the first outcome', async () => {
      await using subject = await makeSubject();
      const log = subject.open();
      const [first, twin] = log.accept([intent('a'), intent('a')], 1);
      assert.equal(first?.type, 'accepted');
      assert.equal(twin?.type, 'pending');
      log.finish([{ id: 'a', outcome: pushed }]);
      log.finish([{ id: 'a', outcome: skipped }]);
      assert.deepEqual(log.pending(), []);
      const [again] = subject.open().accept([{ ...intent('a'), body: 'other' }], 2);
      assert.deepEqual(again, { type: 'finished', outcome: pushed });
    });

    test('attempts are kept with their intent until it is finished', async () => {
      await using subject = await makeSubject();
      const log = subject.open();
      log.accept([intent('a'), intent('b')], 1);
      const one = {
        commit: 'b'.repeat(40),
        tip: 'd'.repeat(40),
        written: [{ functionName: 'f', number: 2 }],
      };
      const two = { commit: 'c'.repeat(40), tip: 'c'.repeat(40), written: [] };
      log.attempted([
        { id: 'a', ...one },
        { id: 'unknown', ...one },
      ]);
      log.attempted([{ id: 'a', ...two }]);
      assert.deepEqual(
        subject
          .open()
          .pending()
          .map((kept) => kept.attempts),
        [[one, two], []],
      );
    });

    test('a withdrawn intent is forgotten, a finished one is not withdrawn', async () => {
      await using subject = await makeSubject();
      const log = subject.open();
      log.accept([intent('a'), intent('b')], 1);
      log.finish([{ id: 'b', outcome: skipped }]);
      log.withdraw('a');
      log.withdraw('b');
      assert.deepEqual(subject.open().pending(), []);
      assert.deepEqual(
        log.accept([intent('a'), intent('b')], 2).map((one) => one.type),
        ['accepted', 'finished'],
      );
    });

    test('only so many finished intents are kept; none that is pending is lost', async () => {
      await using subject = await makeSubject();
      const log = subject.open(2);
      log.accept(['old', 'a', 'b', 'c'].map(intent), 1);
      for (const id of ['a', 'b', 'c']) log.finish([{ id, outcome: pushed }]);
      assert.deepEqual(
        log.pending().map(({ id }) => id),
        ['old'],
      );
      assert.deepEqual(
        log.accept(['a', 'b', 'c'].map(intent), 2).map((one) => one.type),
        ['accepted', 'finished', 'finished'],
      );
    });

    test('an intent too large to keep is refused, and nothing beside it is accepted', async () => {
      await using subject = await makeSubject();
      const log = subject.open();
      const large = { ...intent('large'), body: 'x'.repeat(3_000_000) };
      assert.throws(() => log.accept([intent('a'), large], 1), /bytes/);
      assert.deepEqual(log.pending(), []);
      assert.equal(log.accept([intent('a')], 1)[0]?.type, 'accepted');
    });
  });
}
