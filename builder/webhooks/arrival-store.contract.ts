import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import type { ArrivalStore } from './arrival-store.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';

export function arrival(id: string, projectId = '15', more: Partial<GitLabArrival> = {}): GitLabArrival {
  return {
    id,
    kind: 'push',
    projectId,
    path: 'acme/web_team/shop.front',
    private: true,
    push: { ref: 'refs/heads/main', before: 'a'.repeat(40), after: 'b'.repeat(40) },
    actor: { name: 'John', email: 'john@example.com', login: 'jsmith' },
    ...more,
  };
}

/** What every store of arrivals must do. `limit` is 5; `reopen` is as after a restart. */
export function describeArrivalStore(
  name: string,
  makeSubject: () => { store: ArrivalStore; reopen: () => ArrivalStore; dispose: () => void },
): void {
  function withStore(test: (store: ArrivalStore, reopen: () => ArrivalStore) => Promise<void>) {
    return async () => {
      const { store, reopen, dispose } = makeSubject();
      try {
        await test(store, reopen);
      } finally {
        dispose();
      }
    };
  }
  const ids = (store: ArrivalStore) => store.oldest(10).map((each) => each.arrival.id);

  describe(`ArrivalStore: ${name}`, () => {
    it(
      'keeps the whole of what arrived, also after a restart',
      withStore(async (store, reopen) => {
        const one = arrival('1', '15', { skipped: 'a bot' });
        await store.add(one, 1234);
        assert.deepEqual(reopen().oldest(10), [{ arrival: one, at: 1234 }]);
      }),
    );

    it(
      'gives the oldest of each project, in the order of their arrival',
      withStore(async (store) => {
        for (const [id, project] of [
          ['c', '1'],
          ['b', '1'],
          ['a', '2'],
        ] as const)
          await store.add(arrival(id, project), 1);
        assert.deepEqual(ids(store), ['c', 'a']);
        assert.equal(store.oldest(1).length, 1);
        store.remove('c');
        assert.deepEqual(ids(store), ['b', 'a']);
      }),
    );

    it(
      'takes an id once while it is there',
      withStore(async (store) => {
        await store.add(arrival('1'), 1);
        await store.add(arrival('1', '16'), 2);
        assert.deepEqual(store.oldest(10), [{ arrival: arrival('1'), at: 1 }]);
        store.remove('1');
        await store.add(arrival('1', '16'), 3);
        assert.equal(store.oldest(10)[0]?.at, 3);
      }),
    );

    it(
      'is full at its limit, also after a restart, until something is removed',
      withStore(async (store, reopen) => {
        for (const id of ['1', '2', '3', '4', '5']) await store.add(arrival(id, id), 1);
        const isFull = (error: unknown) => error instanceof TowlineError && error.code === 'unavailable';
        await assert.rejects(store.add(arrival('6', '6'), 1), isFull);
        const again = reopen();
        await assert.rejects(again.add(arrival('6', '6'), 1), isFull);
        again.remove('3');
        await again.add(arrival('6', '6'), 1);
        assert.deepEqual(ids(again), ['1', '2', '4', '5', '6']);
      }),
    );
  });
}
