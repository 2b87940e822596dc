import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent, RepositoryDeletedEvent } from '../../core/source-event.ts';
import type { Delivery, DeliveryLog } from './delivery-log.ts';
import { missedPush } from './recover-pushes.ts';

const sha = (digit: string) => digit.repeat(40);

const repository = {
  id: 'r1',
  name: 'shop',
  owner: 'alice',
  ownerId: 'o1',
  cloneUrl: 'http://localhost/alice/shop.git',
  defaultBranch: 'main',
  private: false,
};
const base = {
  scm: 'git',
  repository,
  actor: { name: 'Alice', email: 'a@example.org', login: 'alice' },
} as const;

function push(
  id: string,
  before: string,
  after: string,
  more: Partial<PushEvent> = {},
): Omit<Delivery, 'seq'> {
  const event: PushEvent = { ...base, type: 'push', id, ref: 'refs/heads/main', before, after, ...more };
  return { event, origin: 'hook', receivedAt: 1000 };
}

async function newestOf(log: DeliveryLog): Promise<Delivery | undefined> {
  return (await log.ofRef({ repository, scm: 'git', ref: 'refs/heads/main' }, 1))[0];
}

async function kept(log: DeliveryLog, ids: string[]): Promise<string[]> {
  const found = await Promise.all(ids.map((id) => log.find(id)));
  return ids.filter((_, index) => found[index]);
}

export interface DeliveryLogSubject {
  log: DeliveryLog;
  /** A log over the same storage, as after a restart. */
  reopen: () => Promise<DeliveryLog>;
  dispose: () => Promise<void>;
}

/** What every delivery log must do. */
export function describeDeliveryLog(name: string, makeSubject: () => Promise<DeliveryLogSubject>): void {
  function withLog(test: (log: DeliveryLog, reopen: () => Promise<DeliveryLog>) => Promise<void>) {
    return async () => {
      const { log, reopen, dispose } = await makeSubject();
      try {
        await test(log, reopen);
      } finally {
        await dispose();
      }
    };
  }

  describe(`DeliveryLog: ${name}`, () => {
    it(
      'gives what is pending in the order of acceptance, also after a restart',
      withLog(async (log, reopen) => {
        for (const id of ['c', 'a', 'b'])
          await log.append(push(id, sha(id), sha('d'), { ref: `refs/heads/${id}` }));
        await log.done('a');
        const ids = async (some: DeliveryLog) => (await some.pending()).map((delivery) => delivery.event.id);
        assert.deepEqual(await ids(log), ['c', 'b']);
        assert.deepEqual(await ids(await reopen()), ['c', 'b']);
      }),
    );

    it(
      'gives each delivery out once, and again after a restart until it is done',
      withLog(async (log, reopen) => {
        const ids = async (some: DeliveryLog) => (await some.take()).map((delivery) => delivery.event.id);
        for (const id of ['c', 'a', 'b']) {
          await log.append(push(id, sha(id), sha('d'), { ref: `refs/heads/${id}` }));
        }
        assert.deepEqual(await ids(log), ['c', 'a', 'b']);
        assert.deepEqual(await ids(log), []);
        await log.append(push('d', sha('a'), sha('b')));
        assert.deepEqual(await ids(log), ['d']);
        await log.done('a');
        assert.deepEqual(await ids(await reopen()), ['c', 'b', 'd']);
      }),
    );

    it(
      'gives the newest deliveries of a ref, and of no other',
      withLog(async (log, reopen) => {
        for (const [index, id] of ['1', '2', '3'].entries()) {
          await log.append(push(id, sha(String(index)), sha(String(index + 1))));
          await log.append(push(`other-${id}`, sha(String(index)), sha('f'), { ref: 'refs/heads/other' }));
        }
        const found = await (await reopen()).ofRef({ repository, scm: 'git', ref: 'refs/heads/main' }, 2);
        assert.deepEqual(
          found.map(({ event }) => event.id),
          ['3', '2'],
        );
      }),
    );

    it(
      'knows the repositories that were not deleted, as their newest delivery names them',
      withLog(async (log, reopen) => {
        const gone: RepositoryDeletedEvent = { ...base, type: 'repository-deleted', id: 'gone' };
        const other = { repository: { ...repository, id: 'r2' }, installationId: '7' };
        await log.append(push('1', zeroSha, sha('a')));
        await log.append(push('2', zeroSha, sha('a'), other));
        const renamed = { ...other, repository: { ...other.repository, name: 'new' } };
        await log.append(push('3', sha('a'), sha('b'), renamed));
        await log.append({ event: gone, origin: 'hook', receivedAt: 1 });
        assert.deepEqual(await (await reopen()).repositories(), [{ scm: 'git', ...renamed }]);
      }),
    );

    it(
      'keeps the whole event, its origin and its time',
      withLog(async (log, reopen) => {
        const entry = push('x', zeroSha, sha('1'));
        const result = await log.append({ ...entry, origin: 'recovered' });
        assert.equal(result.type, 'accepted');
        assert.deepEqual(await (await reopen()).find('x'), {
          ...entry,
          origin: 'recovered',
          seq: await log.lastSeq(),
        });
      }),
    );

    it(
      'takes an id once, done or not',
      withLog(async (log) => {
        await log.append(push('x', zeroSha, sha('1')));
        assert.deepEqual(await log.append(push('x', sha('1'), sha('2'))), { type: 'duplicate', id: 'x' });
        await log.done('x');
        assert.deepEqual(await log.append(push('x', sha('1'), sha('2'))), { type: 'duplicate', id: 'x' });
        assert.equal((await log.pending()).length, 0);
      }),
    );

    it(
      'knows a redelivered push by its content, under a fresh id',
      withLog(async (log) => {
        await log.append(push('x', zeroSha, sha('1')));
        await log.append(push('y', sha('1'), sha('2')));
        assert.deepEqual(await log.append(push('z', zeroSha, sha('1'))), { type: 'duplicate', id: 'x' });
        assert.deepEqual(await log.append(push('w', sha('1'), sha('2'))), { type: 'duplicate', id: 'y' });
      }),
    );

    it(
      'accepts a branch that is forced back and forth each time',
      withLog(async (log) => {
        const pushes = [
          push('1', zeroSha, sha('a')),
          push('2', sha('a'), sha('b')),
          push('3', sha('b'), sha('a')),
        ];
        for (const entry of [...pushes, push('4', sha('a'), sha('b'))]) {
          assert.equal((await log.append(entry)).type, 'accepted', entry.event.id);
        }
      }),
    );

    it(
      'accepts the webhook of a push that is still being recovered, once',
      withLog(async (log) => {
        await log.append({ ...push('r', zeroSha, sha('a')), origin: 'recovered' });
        assert.equal((await log.append(push('1', zeroSha, sha('a')))).type, 'accepted');
        assert.deepEqual(await log.append(push('2', zeroSha, sha('a'))), { type: 'duplicate', id: '1' });
        await log.append({ ...push('r2', sha('a'), sha('b')), origin: 'recovered' });
        await log.done('r2');
        assert.deepEqual(await log.append(push('3', sha('a'), sha('b'))), { type: 'duplicate', id: 'r2' });
      }),
    );

    it(
      'accepts a branch that is deleted and made again with the same commit',
      withLog(async (log) => {
        await log.append(push('1', zeroSha, sha('a')));
        await log.append(push('2', sha('a'), zeroSha));
        assert.equal((await log.append(push('3', zeroSha, sha('a')))).type, 'accepted');
      }),
    );

    it(
      'tells repositories, refs and forges apart',
      withLog(async (log) => {
        await log.append(push('1', zeroSha, sha('a')));
        const others = [
          push('2', zeroSha, sha('a'), { repository: { ...repository, id: 'r2' } }),
          push('3', zeroSha, sha('a'), { ref: 'refs/heads/other' }),
          push('4', zeroSha, sha('a'), { scm: 'gitlab' }),
        ];
        for (const entry of others) assert.equal((await log.append(entry)).type, 'accepted', entry.event.id);
      }),
    );

    it(
      'never takes a rebuild for a redelivery, nor for news of the branch',
      withLog(async (log) => {
        await log.append(push('1', zeroSha, sha('a')));
        await log.append(push('2', sha('a'), sha('b')));
        assert.equal(
          (await log.append({ ...push('3', zeroSha, sha('a')), origin: 'rebuild' })).type,
          'accepted',
        );
        assert.equal((await newestOf(log))?.event.id, '2');
        assert.equal((await log.append(push('4', zeroSha, sha('a')))).type, 'duplicate');
      }),
    );

    it(
      'accepts a deletion of a repository each time it has its own id',
      withLog(async (log) => {
        const gone = (id: string): RepositoryDeletedEvent => ({ ...base, type: 'repository-deleted', id });
        for (const id of ['1', '2']) {
          assert.equal(
            (await log.append({ event: gone(id), origin: 'hook', receivedAt: 1 })).type,
            'accepted',
          );
        }
      }),
    );

    it(
      'starts afresh after the deletion of a repository: the same push is accepted again, or found to be missed',
      withLog(async (log, reopen) => {
        const ref = 'refs/heads/main';
        const gone: RepositoryDeletedEvent = { ...base, type: 'repository-deleted', id: 'gone' };
        await log.append(push('1', zeroSha, sha('a')));
        await log.append({ event: gone, origin: 'hook', receivedAt: 1 });
        assert.equal(await newestOf(log), undefined);
        assert.equal(
          (await missedPush(await reopen(), { repository, scm: 'git', ref, head: sha('a') }))?.before,
          zeroSha,
        );
        assert.equal((await log.append(push('1', zeroSha, sha('a')))).type, 'duplicate');
        assert.equal((await log.append(push('2', zeroSha, sha('a')))).type, 'accepted');
        assert.equal((await newestOf(log))?.event.id, '2');
        assert.deepEqual(await log.append(push('3', zeroSha, sha('a'))), { type: 'duplicate', id: '2' });
        const other = { repository: { ...repository, id: 'r2' } };
        await log.append(push('4', zeroSha, sha('a'), other));
        assert.deepEqual(await log.append(push('5', zeroSha, sha('a'), other)), {
          type: 'duplicate',
          id: '4',
        });
      }),
    );

    it(
      'remembers that a push was cancelled and by whom, the first time, also once it is done',
      withLog(async (log, reopen) => {
        const by = (name: string) => ({ name, email: '', login: name });
        await log.append(push('1', zeroSha, sha('a')));
        await log.append({ ...push('2', sha('a'), sha('b')), isForced: true });
        assert.equal(await log.cancel('1', by('bob')), true);
        assert.equal(await log.cancel('1', by('eve')), false);
        assert.equal(await log.cancel('none', by('bob')), false);
        const again = await reopen();
        assert.deepEqual(
          (await again.pending()).map(({ cancelledBy, isForced }) => [cancelledBy?.name, isForced]),
          [
            ['bob', undefined],
            [undefined, true],
          ],
        );
        await again.done('2');
        assert.equal(await again.cancel('2', by('bob')), true);
        assert.equal((await again.find('2'))?.cancelledBy?.name, 'bob');
      }),
    );

    it(
      'keeps the announced images of each function apart, from pushes too, and knows the newest',
      withLog(async (log, reopen) => {
        const image = (id: string, functionName: string): Omit<Delivery, 'seq'> => ({
          event: {
            ...{ ...base, type: 'image', id, functionName, image: `x@${id}`, ref: 'refs/heads/main' },
            ...{
              before: zeroSha,
              after: sha('a'),
              subject: '',
              run: { of: 'r', number: 1 },
              configuration: null,
            },
          },
          origin: 'hook',
          receivedAt: 1,
        });
        for (const id of ['1', '2', '3']) await log.append(image(id, 'shop'));
        await log.append(image('4', 'cart'));
        await log.append(push('5', zeroSha, sha('a')));
        assert.deepEqual(await log.append(image('2', 'shop')), { type: 'duplicate', id: '2' });
        const { event } = image('any', 'shop');
        const ids = (found: Delivery[]) => found.map((one) => one.event.id);
        assert.deepEqual(ids(await (await reopen()).recent(event, 2)), ['3', '2']);
        assert.deepEqual(ids(await log.recent(image('any', 'cart').event, 9)), ['4']);
        assert.equal((await newestOf(log))?.event.id, '5');
        for (const id of ['1', '2', '4', '5']) await log.done(id);
        await log.prune(event, 1);
        assert.deepEqual(await kept(log, ['1', '2', '3', '4', '5']), ['3', '4', '5']);
      }),
    );

    it(
      'forgets old deliveries of one repository only, and none that is not done',
      withLog(async (log) => {
        const event = push('e', zeroSha, sha('a')).event;
        for (const [index, id] of ['1', '2', '3', '4'].entries()) {
          await log.append(push(id, sha(String(index)), sha(String(index + 1))));
          if (id !== '1') await log.done(id);
        }
        await log.append(push('other', zeroSha, sha('a'), { repository: { ...repository, id: 'r2' } }));
        await log.done('other');
        await log.prune(event, 1);
        const left = await kept(log, ['1', '2', '3', '4', 'other']);
        assert.deepEqual(left, ['1', '4', 'other']);
      }),
    );
  });
}
