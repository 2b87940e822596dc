import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { zeroSha } from '../../../core/names.ts';
import type { PushEvent } from '../../../core/source-event.ts';
import { type PostgresServer, startPostgres } from '../../../test/cluster/postgres.ts';
import { describeDeliveryLog } from '../delivery-log.contract.ts';
import type { Delivery, DeliveryLog } from '../delivery-log.ts';
import { openPostgresDeliveryLog, type PostgresDeliveryLogConfig } from './delivery-log-postgres.ts';
import { createPatientPool } from './patient-pool.ts';

let server: PostgresServer;
let count = 0;
before(async () => {
  server = await startPostgres();
});
after(() => server[Symbol.asyncDispose]());

function newDatabase(): Promise<string> {
  count += 1;
  return server.createDatabase(`deliveries_${count}`);
}
const open = (url: string, config: Partial<PostgresDeliveryLogConfig> = {}) =>
  openPostgresDeliveryLog({ url, retry: { firstMs: 20, maxMs: 100 }, onUnreadable: assert.fail, ...config });

const commit = (n: number) => n.toString(16).padStart(40, '0');
function push(id: string, repository: string, n: number): Omit<Delivery, 'seq'> {
  const event: PushEvent = {
    ...{ type: 'push', id, scm: 'git', ref: 'refs/heads/main' },
    repository: {
      ...{ id: repository, name: 'shop', owner: 'alice', ownerId: 'o1', cloneUrl: 'http://localhost/x' },
      ...{ defaultBranch: 'main', private: false },
    },
    actor: { name: 'Alice', email: 'a@example.org', login: 'alice' },
    ...{ before: n === 0 ? zeroSha : commit(n), after: commit(n + 1) },
  };
  return { event, origin: 'hook', receivedAt: 1 };
}
const ids = (deliveries: Delivery[]) => deliveries.map(({ event }) => event.id);

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** Until it gives something, which it has to; asks for nothing before `prepare`. */
async function untilTaken(log: DeliveryLog, prepare: () => Promise<unknown>): Promise<string[]> {
  for (;;) {
    await prepare();
    const taken = ids(await log.take());
    if (taken.length > 0) return taken;
    await sleep(20);
  }
}

describeDeliveryLog('postgresql', async () => {
  const url = await newDatabase();
  const logs = [await open(url)];
  return {
    log: logs[0]!,
    reopen: async () => {
      // The former one has died: a living one keeps what it took.
      await sql(url, 'DELETE FROM towline_builders');
      const log = await open(url);
      logs.push(log);
      return log;
    },
    dispose: async () => {
      for (const log of logs) await log[Symbol.asyncDispose]();
    },
  };
});

describe('builders that share a PostgreSQL', () => {
  it('never work on the same delivery, nor on the same lane at once', async () => {
    const url = await newDatabase();
    await using one = await open(url);
    await using two = await open(url);
    await one.append(push('a1', 'a', 0));
    assert.deepEqual(ids(await one.take()), ['a1']);
    await two.append(push('a2', 'a', 1));
    await two.append(push('b1', 'b', 0));
    assert.deepEqual(ids(await two.take()), ['b1']);
    assert.deepEqual(ids(await one.take()), ['a2']);
    await one.done('a1');
    await one.done('a2');
    await one.append(push('a3', 'a', 2));
    assert.deepEqual(ids(await two.take()), ['a3'], 'a lane that is done is free');
  });

  it('accept each delivery once, however many take it in at the same time, and in an order for all', async () => {
    const url = await newDatabase();
    await using one = await open(url);
    await using two = await open(url);
    const entries = [...Array(200)].map((_, n) => push(`p${n}`, `r${n % 5}`, n));
    const results = await Promise.all(
      entries.flatMap((entry) => [
        one.append(entry),
        two.append(entry),
        two.append({ ...entry, event: { ...entry.event, id: `again-${entry.event.id}` } }),
      ]),
    );
    assert.equal(results.filter(({ type }) => type === 'accepted').length, 200);
    const taken = await Promise.all([one, two, one, two, one].map((log) => log.take()));
    const all = taken.flat();
    assert.deepEqual([all.length, new Set(all.map(({ seq }) => seq)).size], [200, 200]);
    for (const lane of ['r0', 'r1', 'r2', 'r3', 'r4']) {
      const holders = taken.filter((some) => some.some(({ event }) => event.repository.id === lane));
      assert.equal(holders.length, 1, `the lane ${lane} is one builder's`);
    }
    for (const some of taken)
      assert.deepEqual(
        some,
        [...some].sort((a, b) => a.seq - b.seq),
      );
  });

  it('take over what a dead one left, and it can end nothing of that any more', async () => {
    const url = await newDatabase();
    const dead = await open(url, { leaseMs: 3_000 });
    await using other = await open(url, { leaseMs: 3_000 });
    for (const [n, id] of ['a1', 'a2'].entries()) await dead.append(push(id, 'a', n));
    assert.deepEqual(ids(await dead.take()), ['a1', 'a2']);
    assert.deepEqual(ids(await other.take()), []);
    // It lives on and shows it now and then, but nobody hears of it.
    const silence = `UPDATE towline_builders SET alive_until = now() - interval '1 hour' WHERE fence = 1`;
    assert.deepEqual(await untilTaken(other, () => sql(url, silence)), ['a1', 'a2']);
    await dead.done('a1');
    assert.deepEqual(ids(await other.pending()), ['a1', 'a2']);
    assert.deepEqual(ids(await dead.take()), []);
    while (!dead.lost?.aborted) await sleep(10);
    await other.done('a1');
    await other.done('a2');
    assert.deepEqual(await other.pending(), []);
    await dead[Symbol.asyncDispose]();
  });

  it('hand their lanes over at once when they end in order', async () => {
    const url = await newDatabase();
    const one = await open(url);
    await using two = await open(url);
    await one.append(push('a1', 'a', 0));
    await one.take();
    await one[Symbol.asyncDispose]();
    assert.deepEqual(ids(await two.take()), ['a1']);
  });
});

describe('an outage of PostgreSQL', () => {
  it('refuses what cannot be kept, waits with what can wait, and loses nothing that was accepted', async () => {
    await using own = await startPostgres();
    const url = await own.createDatabase('deliveries');
    const faults: unknown[] = [];
    await using log = await open(url, { onError: (error) => faults.push(error), timeoutMs: 2000 });
    const accepted: string[] = [];
    const send = async (n: number) => {
      const { event, ...entry } = push(`p${n}`, 'a', n);
      await log.append({ ...entry, event }).then(() => accepted.push(event.id));
    };
    await send(0);
    await own.kill();
    await assert.rejects(send(1), { code: 'unavailable' });
    const ended = log.done('p0');
    const found = log.find('p0');
    await own.start();
    await ended;
    assert.equal((await found)?.event.id, 'p0');
    for (let round = 0; round < 3; round += 1) {
      const sending = [...Array(40)].map((_, n) => send(2 + round * 40 + n).catch(() => {}));
      await Promise.race(sending);
      await own.kill();
      await Promise.all(sending);
      await own.start();
    }
    await using again = await open(url);
    const kept = new Set(ids(await again.pending()));
    assert.ok(accepted.length > 1);
    for (const id of accepted.slice(1)) assert.ok(kept.has(id), `${id} was accepted and is lost`);
    // Whoever was refused sends again, which is a delivery or a duplicate, never both.
    for (let n = 1; n < 122; n += 1) await send(n);
    assert.equal((await again.pending()).length, 121);
    assert.ok(faults.length > 0);
  });
});

describe('the schema', () => {
  it('is made once, however many begin at the same time', async () => {
    const url = await newDatabase();
    const logs = await Promise.all([open(url), open(url), open(url)]);
    assert.deepEqual(await sql(url, 'SELECT version FROM towline_schema'), [{ version: 1 }]);
    for (const log of logs) await log[Symbol.asyncDispose]();
  });

  it('of a newer version is left alone', async () => {
    const url = await newDatabase();
    await (await open(url))[Symbol.asyncDispose]();
    await sql(url, 'INSERT INTO towline_schema (version) VALUES (99)');
    await assert.rejects(open(url), { code: 'config_invalid' });
  });

  it('makes commits durable whatever the role is set to', async () => {
    const url = await newDatabase();
    await sql(url, `ALTER ROLE towline SET synchronous_commit = off`);
    try {
      await using database = createPatientPool({ url });
      const { rows } = await database.patiently('SHOW synchronous_commit');
      assert.deepEqual(rows, [{ synchronous_commit: 'on' }]);
    } finally {
      await sql(url, 'ALTER ROLE towline RESET synchronous_commit');
    }
  });
});
