import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultBranchOnly } from '../../core/environments.ts';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import type { Delivery, DeliveryLog } from '../deliveries/delivery-log.ts';
import { createSqliteDeliveryLog } from '../deliveries/delivery-log-sqlite.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import { missedPush } from '../deliveries/recover-pushes.ts';
import type { PushJournal } from '../deploys/push-journal.ts';
import { createDeliveryFeed } from './delivery-feed.ts';
import { createPushQueue } from './push-queue.ts';

const ref = 'refs/heads/main';
const repository = {
  ...{ id: 'r1', name: 'shop', owner: 'alice', ownerId: 'o1', cloneUrl: 'http://localhost/alice/shop.git' },
  ...{ defaultBranch: 'main', private: false },
};
const actor = { name: 'Alice', email: '', login: 'alice' };
const commit = (n: number) => (n + 1).toString(16).padStart(40, '0');

/** The branch, as it goes from commit to commit; a smaller number again is a forced push back. */
function movesOf(commits: readonly number[]): PushEvent[] {
  const visited = commits.filter((each, index) => each !== commits[index - 1]);
  return visited.map((each, index) => {
    const former = visited[index - 1];
    const before = former === undefined ? zeroSha : commit(former);
    return { type: 'push', id: `p${index}`, scm: 'git', repository, actor, ref, before, after: commit(each) };
  });
}

interface Outcome {
  deployed: string | undefined;
  /** How often each delivery ended. */
  ends: Map<string, number>;
  accepted: string[];
}

/** The real log, feed and queue; only what a push does is a model: it takes a while, and commits nothing but the head. */
async function deliver(
  events: readonly PushEvent[],
  head: string,
  pauses: readonly number[],
): Promise<Outcome> {
  const database = openDatabase(':memory:', 'NORMAL');
  const log: DeliveryLog = createSqliteDeliveryLog(database, assert.ifError);
  const stop = new AbortController();
  const outcome: Outcome = { deployed: undefined, ends: new Map(), accepted: [] };
  const recovering = new Set<Promise<void>>();
  const dropped = new Set<string>();
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  const openJournal = ({ event }: Delivery): PushJournal => {
    const end = async () => void outcome.ends.set(event.id, (outcome.ends.get(event.id) ?? 0) + 1);
    return { push: () => ({ state: 'queued' }), say() {}, end } as unknown as PushJournal;
  };

  async function recover(): Promise<void> {
    // The time that a webhook on its way is given: what was dropped has ended by then.
    for (let step = 0; step < 20; step += 1) await turn();
    const missed = await missedPush(log, { repository, scm: 'git', ref, head }, (id) => dropped.has(id));
    if (missed) await accept(missed, 'recovered');
  }

  const queue = createPushQueue({
    openJournal,
    refs: defaultBranchOnly,
    headOf: async () => {
      await turn();
      return head;
    },
    async process({ delivery: { event }, journal, superseded }) {
      for (let step = 0; step < 3 && !superseded.aborted; step += 1) await turn();
      if (!superseded.aborted && event.type === 'push') {
        if (event.after === head) outcome.deployed = event.after;
        else recovering.add(recover());
      }
      if (superseded.aborted) dropped.add(event.id);
      return { finished: journal.end() };
    },
    onDone: ({ event }) => log.done(event.id),
    onFault: (_, error) => assert.ifError(error),
    stopped: stop.signal,
  });
  const feed = createDeliveryFeed({
    ...{ take: log.take, add: queue.add, retry: { firstMs: 1, maxMs: 1 }, stopped: stop.signal },
    onFault: (error) => assert.ifError(error),
  });

  async function accept(event: PushEvent, origin: 'hook' | 'recovered'): Promise<void> {
    const result = await log.append({ event, origin, receivedAt: 1 });
    if (result.type === 'accepted') outcome.accepted.push(event.id);
    await feed.wake();
  }

  for (const [index, event] of events.entries()) {
    await accept(event, 'hook');
    for (let pause = pauses[index % pauses.length] ?? 0; pause > 0; pause -= 1) await turn();
  }
  do {
    await feed.idle();
    await queue.idle();
    const waiting = [...recovering];
    recovering.clear();
    await Promise.all(waiting);
    await feed.idle();
    await queue.idle();
  } while (recovering.size > 0);
  assert.deepEqual(await log.pending(), []);
  stop.abort();
  database.close();
  return outcome;
}

const histories = fc
  .array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 8 })
  .map(movesOf)
  .chain((moves) =>
    fc.record({
      head: fc.constant(moves.at(-1)?.after ?? zeroSha),
      // Each at least once, some again: by their own id, as forges redeliver, or under a new one.
      arrived: fc
        .tuple(
          fc.shuffledSubarray(moves, { minLength: moves.length }),
          fc.array(fc.tuple(fc.constantFrom(...moves), fc.boolean(), fc.nat({ max: 20 })), { maxLength: 5 }),
        )
        .map(([order, again]) => {
          const arrived = [...order];
          for (const [index, [event, isRenamed, place]] of again.entries()) {
            const id = isRenamed ? `again-${index}` : event.id;
            arrived.splice(place % (arrived.length + 1), 0, { ...event, id });
          }
          return arrived;
        }),
      pauses: fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 5 }),
    }),
  );

describe('pushes in any order, some of them again, some forced back', () => {
  it('end with the branch head deployed, and each one in one outcome', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ head, arrived, pauses }) => {
        const { deployed, ends, accepted } = await deliver(arrived, head, pauses);
        assert.equal(deployed, head);
        assert.deepEqual([...ends.keys()].sort(), [...accepted].sort());
        assert.ok([...ends.values()].every((times) => times === 1));
      }),
      { numRuns: 300 },
    );
  });
});
