import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outbox, OutboxEntry } from './outbox.ts';

function entry(more: Partial<OutboxEntry> = {}): OutboxEntry {
  return {
    key: 'c:k',
    channel: 'c',
    destination: 'github',
    owner: 'alice',
    order: 1,
    isFinal: false,
    payload: '{"n":1}',
    ...more,
  };
}

/** What every outbox must do. */
export function describeOutbox(
  name: string,
  makeSubject: () => { outbox: Outbox; reopen(): Outbox; dispose(): void },
): void {
  function withOutbox(test: (outbox: Outbox, reopen: () => Outbox) => void) {
    return () => {
      const { outbox, reopen, dispose } = makeSubject();
      try {
        test(outbox, reopen);
      } finally {
        dispose();
      }
    };
  }

  describe(`Outbox: ${name}`, () => {
    it(
      'keeps the newest of each key, over a restart, until it is sent',
      withOutbox((outbox, reopen) => {
        assert.equal(outbox.put(entry(), 10), true);
        assert.equal(outbox.put(entry({ payload: '{"n":2}', isFinal: true }), 20), true);
        const [first, ...others] = reopen().due(30);
        assert.deepEqual(others, []);
        assert.ok(first);
        assert.deepEqual(
          {
            payload: first.payload,
            generation: first.generation,
            putAt: first.putAt,
            isFinal: first.isFinal,
          },
          { payload: '{"n":2}', generation: 2, putAt: 10, isFinal: true },
        );
        outbox.sent(first);
        assert.deepEqual(reopen().due(99), []);
      }),
    );

    it(
      'gives what a channel put, told or not, to another one',
      withOutbox((outbox, reopen) => {
        outbox.put(entry(), 10);
        outbox.put(entry({ key: 'c:told', owner: 'bob' }), 20);
        outbox.put(entry({ key: 'd:k', channel: 'd', owner: 'carol' }), 30);
        const told = outbox.due(40).find(({ key }) => key === 'c:told');
        assert.ok(told);
        outbox.sent(told);
        const keys = (channel: string) =>
          reopen()
            .ofChannel(channel)
            .map(({ key }) => key);
        assert.deepEqual(keys('c'), ['c:k', 'c:told']);
        outbox.giveTo('d', 'c:k');
        assert.deepEqual([keys('c'), keys('d')], [['c:told'], ['c:k', 'd:k']]);
      }),
    );

    it(
      'takes neither the same again nor what an older push says late',
      withOutbox((outbox) => {
        outbox.put(entry({ order: 5 }), 10);
        outbox.sent(outbox.due(10)[0]!);
        assert.equal(outbox.put(entry({ order: 5 }), 20), false);
        assert.equal(outbox.put(entry({ order: 4, payload: '{"old":1}' }), 20), false);
        assert.deepEqual(outbox.due(99), []);
        assert.equal(outbox.put(entry({ order: 6, payload: '{"new":1}' }), 20), true);
        assert.equal(outbox.due(99).length, 1);
      }),
    );

    it(
      'keeps the first of a key that is put once, also when it was sent',
      withOutbox((outbox, reopen) => {
        assert.equal(outbox.putOnce(entry(), 10), true);
        assert.equal(outbox.putOnce(entry({ order: 9, payload: '{"n":2}' }), 20), false);
        assert.equal(outbox.due(30)[0]?.payload, '{"n":1}');
        outbox.sent(outbox.due(30)[0]!);
        assert.equal(reopen().putOnce(entry({ payload: '{"n":3}' }), 40), false);
        assert.deepEqual(outbox.due(99), []);
      }),
    );

    it(
      'goes on waiting for what was put while the one before was under way',
      withOutbox((outbox) => {
        outbox.put(entry(), 10);
        const under = outbox.due(10)[0]!;
        outbox.put(entry({ payload: '{"n":2}' }), 11);
        outbox.sent(under);
        assert.equal(outbox.due(20)[0]?.payload, '{"n":2}');
        outbox.refused(under, 'late');
        outbox.postpone(under, 500, 'late');
        assert.equal(outbox.due(20).length, 1);
      }),
    );

    it(
      'gives one entry per owner and destination, the one that waits longest',
      withOutbox((outbox) => {
        outbox.put(entry({ key: 'c:1' }), 10);
        outbox.put(entry({ key: 'c:2' }), 11);
        outbox.put(entry({ key: 'c:3', owner: 'bob' }), 12);
        outbox.put(entry({ key: 'c:4', destination: 'gitlab' }), 13);
        const keys = (now: number) =>
          outbox
            .due(now)
            .map(({ key }) => key)
            .sort();
        assert.deepEqual(keys(20), ['c:1', 'c:3', 'c:4']);
        const first = outbox.due(20).find(({ key }) => key === 'c:1')!;
        outbox.postpone(first, 100, 'away');
        assert.deepEqual(keys(20), ['c:2', 'c:3', 'c:4']);
        assert.deepEqual(keys(100), ['c:1', 'c:3', 'c:4']);
        assert.equal(outbox.due(100).find(({ key }) => key === 'c:1')?.attempts, 1);
        assert.equal(outbox.nextDueAt(), 11);
      }),
    );

    it(
      'tells how much waits and what was refused',
      withOutbox((outbox) => {
        assert.deepEqual(outbox.counts(), { waiting: 0, oldestPutAt: null, refused: 0 });
        outbox.put(entry({ key: 'c:1' }), 10);
        outbox.put(entry({ key: 'c:2' }), 11);
        outbox.refused(outbox.due(20)[0]!, '404');
        assert.deepEqual(outbox.counts(), { waiting: 1, oldestPutAt: 11, refused: 1 });
      }),
    );

    it(
      'remembers what was made for a key as long as the key, and for a channel for good',
      withOutbox((outbox, reopen) => {
        outbox.put(entry(), 10);
        outbox.memory('c:k').set('run', '4');
        outbox.memory('c').set('installation', '9');
        outbox.sent(outbox.due(10)[0]!);
        assert.equal(reopen().memory('c:k').get('run'), '4');
        outbox.prune(5, 100);
        assert.equal(outbox.memory('c:k').get('run'), '4');
        outbox.prune(11, 100);
        assert.equal(outbox.memory('c:k').get('run'), undefined);
        assert.equal(outbox.memory('c').get('installation'), '9');
        outbox.memory('c').set('installation', null);
        assert.equal(outbox.memory('c').get('installation'), undefined);
      }),
    );

    it(
      'is bounded: what is not final goes first, then the oldest',
      withOutbox((outbox) => {
        outbox.put(entry({ key: 'c:final', isFinal: true }), 1);
        outbox.put(entry({ key: 'c:newer', isFinal: true }), 2);
        outbox.put(entry({ key: 'c:passing' }), 3);
        assert.deepEqual(outbox.prune(0, 3), []);
        assert.deepEqual(
          outbox.prune(0, 2).map(({ key }) => key),
          ['c:passing'],
        );
        assert.deepEqual(
          outbox.prune(0, 1).map(({ key }) => key),
          ['c:final'],
        );
        assert.equal(outbox.counts().waiting, 1);
      }),
    );

    it(
      'gives nothing up for what waits for somebody else',
      withOutbox((outbox) => {
        outbox.put(entry({ key: 'c:checks', isFinal: true }), 1);
        outbox.put(entry({ key: 'c:passing' }), 2);
        for (let n = 0; n < 5; n += 1)
          outbox.put(entry({ key: `a:${n}`, destination: 'audit', isFinal: true }), 10 + n);
        assert.deepEqual(
          outbox.prune(0, 2).map(({ key }) => key),
          ['a:0', 'a:1', 'a:2'],
        );
        assert.equal(outbox.counts().waiting, 4);
      }),
    );

    it(
      'knows since when it is there',
      withOutbox((outbox, reopen) => {
        assert.equal(outbox.since(7), 7);
        assert.equal(reopen().since(9), 7);
      }),
    );
  });
}
