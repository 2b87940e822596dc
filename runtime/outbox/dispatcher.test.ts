import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { createLogger } from '../logger.ts';
import { createDispatcher } from './dispatcher.ts';
import type { OutboxEntry, ReportOutcome, WaitingEntry } from './outbox.ts';
import { createSqliteOutbox } from './outbox-sqlite.ts';

type Send = (entry: WaitingEntry) => ReportOutcome | Promise<ReportOutcome>;

const reported: ReportOutcome = { type: 'reported' };

function createSubject(
  send: Send,
  more: { now?: () => number; maxWaiting?: number; patienceMs?: number } = {},
) {
  const database = new DatabaseSync(':memory:');
  const outbox = createSqliteOutbox(database);
  const told: string[] = [];
  const logged: string[] = [];
  const now = more.now ?? Date.now;
  const dispatcher = createDispatcher({
    outbox,
    async send(entry) {
      told.push(`${entry.key} ${entry.payload}`);
      return send(entry);
    },
    logger: createLogger({ level: 'warn', name: 't' }, { write: (line: string) => void logged.push(line) }),
    retry: { firstMs: 2, maxMs: 8 },
    ...more,
    now,
  });
  let order = 0;
  return {
    outbox,
    told,
    logged,
    dispatcher,
    put(key: string, entry: Partial<OutboxEntry> = {}) {
      order += 1;
      const common = { channel: 'c', destination: 'github', owner: 'alice', isFinal: true, payload: '1' };
      outbox.put({ ...common, ...{ key: `c:${key}`, order }, ...entry }, now());
      dispatcher.wake();
    },
    async [Symbol.asyncDispose]() {
      await dispatcher[Symbol.asyncDispose]();
      database.close();
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('the dispatcher of the outbox', () => {
  it('tells what was put one after the other per owner, and owners at the same time', async () => {
    const running = new Set<string>();
    let most = 0;
    await using subject = createSubject(async ({ owner, key }) => {
      assert.ok(![...running].some((each) => each.startsWith(`${owner} `)), 'two of one owner at a time');
      running.add(`${owner} ${key}`);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running.delete(`${owner} ${key}`);
      return reported;
    });
    for (const owner of ['alice', 'bob', 'carol'])
      for (const n of [1, 2, 3]) subject.put(`${owner}${n}`, { owner });
    await until(() => subject.outbox.counts().waiting === 0);
    assert.equal(subject.told.length, 9);
    assert.ok(most > 1);
    const ofAlice = subject.told.filter((each) => each.startsWith('c:alice'));
    assert.deepEqual(ofAlice, ['c:alice1 1', 'c:alice2 1', 'c:alice3 1']);
  });

  it('skips states that were overtaken while it waited, and never the last', async () => {
    const gate = Promise.withResolvers<void>();
    await using subject = createSubject(async () => {
      await gate.promise;
      return reported;
    });
    subject.put('a', { payload: 'queued' });
    await until(() => subject.told.length === 1);
    for (const payload of ['building', 'built', 'live']) subject.put('a', { payload });
    gate.resolve();
    await until(() => subject.outbox.counts().waiting === 0);
    assert.deepEqual(subject.told, ['c:a queued', 'c:a live']);
  });

  it('probes a forge that is away with one request at a time, and then drains', async () => {
    let isAway = true;
    let tries = 0;
    let atOnce = 0;
    await using subject = createSubject(async () => {
      if (!isAway) return reported;
      tries += 1;
      atOnce += 1;
      assert.ok(tries <= 4 || atOnce === 1, 'more than one probe at a time');
      await new Promise((resolve) => setTimeout(resolve, 1));
      atOnce -= 1;
      return { type: 'later', reason: 'away', holds: 'forge' };
    });
    for (let n = 0; n < 200; n += 1) subject.put(`k${n}`, { owner: `o${n % 20}` });
    await until(() => tries >= 8);
    assert.equal(subject.outbox.counts().waiting, 200);
    isAway = false;
    await until(() => subject.outbox.counts().waiting === 0);
  });

  it('lets other owners and other forges go on while one has to wait', async () => {
    const retryAt = Date.now() + 3_600_000;
    await using subject = createSubject(({ owner, destination }) =>
      owner === 'limited' && destination === 'github'
        ? { type: 'later', reason: '429', holds: 'owner', retryAt }
        : reported,
    );
    for (const n of [1, 2, 3]) subject.put(`limited${n}`, { owner: 'limited' });
    subject.put('bob', { owner: 'bob' });
    subject.put('gitlab', { owner: 'limited', destination: 'gitlab' });
    await until(() => subject.outbox.counts().waiting === 3);
    await subject.dispatcher.settled();
    assert.equal(subject.told.filter((each) => each.startsWith('c:limited')).length, 1);
  });

  it('goes round one report that keeps failing', async () => {
    await using subject = createSubject(({ key }) =>
      key === 'c:poison' ? { type: 'later', reason: '500', holds: 'forge' } : reported,
    );
    subject.put('poison');
    for (const n of [1, 2, 3]) subject.put(`good${n}`);
    await until(() => subject.outbox.counts().waiting === 1);
    assert.ok(subject.told.includes('c:good3 1'));
  });

  it('drops what is refused, or was tried for too long, with a line in the log', async () => {
    let now = 1000;
    await using subject = createSubject(
      ({ key }) =>
        key === 'c:refused'
          ? { type: 'refused', reason: '404: Not Found' }
          : { type: 'later', reason: 'away', holds: 'report' },
      { now: () => now, patienceMs: 50 },
    );
    subject.put('refused');
    await until(() => subject.outbox.counts().refused === 1);
    subject.put('hopeless');
    await until(() => subject.told.includes('c:hopeless 1'));
    now += 100;
    subject.dispatcher.wake();
    await until(() => subject.outbox.counts().refused === 2);
    assert.match(subject.logged.join(''), /404: Not Found.*given up: away/s);
  });

  it('takes a defect of a reporter for one more failure', async () => {
    let isBroken = true;
    await using subject = createSubject(() => {
      if (!isBroken) return reported;
      isBroken = false;
      throw new Error('a defect');
    });
    subject.put('a');
    await until(() => subject.outbox.counts().waiting === 0);
    assert.match(subject.logged.join(''), /could not be told/);
  });

  it('keeps what is under way when it stops', async () => {
    const entered = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    await using subject = createSubject(async () => {
      entered.resolve();
      await gate.promise;
      throw new Error('aborted');
    });
    subject.put('a');
    await entered.promise;
    const stopped = subject.dispatcher[Symbol.asyncDispose]();
    gate.resolve();
    await stopped;
    assert.equal(subject.outbox.counts().waiting, 1);
    assert.deepEqual(subject.logged, []);
  });
});
