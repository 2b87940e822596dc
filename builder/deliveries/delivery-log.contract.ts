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

/** What every delivery log must do. `reopen` gives a log over the same storage, as after a restart. */
export function describeDeliveryLog(
  name: string,
  makeSubject: () => { log: DeliveryLog; reopen: () => DeliveryLog; dispose: () => void },
): void {
  function withLog(test: (log: DeliveryLog, reopen: () => DeliveryLog) => void) {
    return () => {
      const { log, reopen, dispose } = makeSubject();
      try {
        test(log, reopen);
      } finally {
        dispose();
      }
    };
  }

  describe(`DeliveryLog: ${name}`, () => {
    it(
      'gives what is pending in the order of acceptance, also after a restart',
      withLog((log, reopen) => {
        for (const id of ['c', 'a', 'b'])
          log.append(push(id, sha(id), sha('d'), { ref: `refs/heads/${id}` }));
        log.done('a');
        const ids = (some: DeliveryLog) => some.pending().map((delivery) => delivery.event.id);
        assert.deepEqual(ids(log), ['c', 'b']);
        assert.deepEqual(ids(reopen()), ['c', 'b']);
      }),
    );

    it(
      'keeps the whole event, its origin and its time',
      withLog((log, reopen) => {
        const entry = push('x', zeroSha, sha('1'));
        const result = log.append({ ...entry, origin: 'recovered' });
        assert.equal(result.type, 'accepted');
        assert.deepEqual(reopen().find('x'), { ...entry, origin: 'recovered', seq: log.lastSeq() });
      }),
    );

    it(
      'takes an id once, done or not',
      withLog((log) => {
        log.append(push('x', zeroSha, sha('1')));
        assert.deepEqual(log.append(push('x', sha('1'), sha('2'))), { type: 'duplicate', id: 'x' });
        log.done('x');
        assert.deepEqual(log.append(push('x', sha('1'), sha('2'))), { type: 'duplicate', id: 'x' });
        assert.equal(log.pending().length, 0);
      }),
    );

    it(
      'knows a redelivered push by its content, under a fresh id',
      withLog((log) => {
        log.append(push('x', zeroSha, sha('1')));
        log.append(push('y', sha('1'), sha('2')));
        assert.deepEqual(log.append(push('z', zeroSha, sha('1'))), { type: 'duplicate', id: 'x' });
        assert.deepEqual(log.append(push('w', sha('1'), sha('2'))), { type: 'duplicate', id: 'y' });
      }),
    );

    it(
      'accepts a branch that is forced back and forth each time',
      withLog((log) => {
        const pushes = [
          push('1', zeroSha, sha('a')),
          push('2', sha('a'), sha('b')),
          push('3', sha('b'), sha('a')),
        ];
        for (const entry of [...pushes, push('4', sha('a'), sha('b'))]) {
          assert.equal(log.append(entry).type, 'accepted', entry.event.id);
        }
      }),
    );

    it(
      'accepts the webhook of a push that is still being recovered, once',
      withLog((log) => {
        log.append({ ...push('r', zeroSha, sha('a')), origin: 'recovered' });
        assert.equal(log.append(push('1', zeroSha, sha('a'))).type, 'accepted');
        assert.deepEqual(log.append(push('2', zeroSha, sha('a'))), { type: 'duplicate', id: '1' });
        log.append({ ...push('r2', sha('a'), sha('b')), origin: 'recovered' });
        log.done('r2');
        assert.deepEqual(log.append(push('3', sha('a'), sha('b'))), { type: 'duplicate', id: 'r2' });
      }),
    );

    it(
      'accepts a branch that is deleted and made again with the same commit',
      withLog((log) => {
        log.append(push('1', zeroSha, sha('a')));
        log.append(push('2', sha('a'), zeroSha));
        assert.equal(log.append(push('3', zeroSha, sha('a'))).type, 'accepted');
      }),
    );

    it(
      'tells repositories, refs and forges apart',
      withLog((log) => {
        log.append(push('1', zeroSha, sha('a')));
        const others = [
          push('2', zeroSha, sha('a'), { repository: { ...repository, id: 'r2' } }),
          push('3', zeroSha, sha('a'), { ref: 'refs/heads/other' }),
          push('4', zeroSha, sha('a'), { scm: 'gitlab' }),
        ];
        for (const entry of others) assert.equal(log.append(entry).type, 'accepted', entry.event.id);
      }),
    );

    it(
      'never takes a rebuild for a redelivery, nor for news of the branch',
      withLog((log) => {
        log.append(push('1', zeroSha, sha('a')));
        log.append(push('2', sha('a'), sha('b')));
        assert.equal(log.append({ ...push('3', zeroSha, sha('a')), origin: 'rebuild' }).type, 'accepted');
        assert.equal(log.newest(repository, 'git', 'refs/heads/main')?.event.id, '2');
        assert.equal(log.append(push('4', zeroSha, sha('a'))).type, 'duplicate');
      }),
    );

    it(
      'accepts a deletion of a repository each time it has its own id',
      withLog((log) => {
        const gone = (id: string): RepositoryDeletedEvent => ({ ...base, type: 'repository-deleted', id });
        for (const id of ['1', '2']) {
          assert.equal(log.append({ event: gone(id), origin: 'hook', receivedAt: 1 }).type, 'accepted');
        }
      }),
    );

    it(
      'starts afresh after the deletion of a repository: the same push is accepted again, or found to be missed',
      withLog((log, reopen) => {
        const ref = 'refs/heads/main';
        const gone: RepositoryDeletedEvent = { ...base, type: 'repository-deleted', id: 'gone' };
        log.append(push('1', zeroSha, sha('a')));
        log.append({ event: gone, origin: 'hook', receivedAt: 1 });
        assert.equal(log.newest(repository, 'git', ref), undefined);
        assert.equal(missedPush(reopen(), { repository, scm: 'git', ref, head: sha('a') })?.before, zeroSha);
        assert.equal(log.append(push('1', zeroSha, sha('a'))).type, 'duplicate');
        assert.equal(log.append(push('2', zeroSha, sha('a'))).type, 'accepted');
        assert.equal(log.newest(repository, 'git', ref)?.event.id, '2');
        assert.deepEqual(log.append(push('3', zeroSha, sha('a'))), { type: 'duplicate', id: '2' });
        const other = { repository: { ...repository, id: 'r2' } };
        log.append(push('4', zeroSha, sha('a'), other));
        assert.deepEqual(log.append(push('5', zeroSha, sha('a'), other)), { type: 'duplicate', id: '4' });
      }),
    );

    it(
      'remembers that a push was cancelled and by whom, the first time, also once it is done',
      withLog((log, reopen) => {
        const by = (name: string) => ({ name, email: '', login: name });
        log.append(push('1', zeroSha, sha('a')));
        log.append({ ...push('2', sha('a'), sha('b')), isForced: true });
        assert.equal(log.cancel('1', by('bob')), true);
        assert.equal(log.cancel('1', by('eve')), false);
        assert.equal(log.cancel('none', by('bob')), false);
        const again = reopen();
        assert.deepEqual(
          again.pending().map(({ cancelledBy, isForced }) => [cancelledBy?.name, isForced]),
          [
            ['bob', undefined],
            [undefined, true],
          ],
        );
        again.done('2');
        assert.equal(again.cancel('2', by('bob')), true);
        assert.equal(again.find('2')?.cancelledBy?.name, 'bob');
      }),
    );

    it(
      'keeps the announced images of each function apart, from pushes too, and knows the newest',
      withLog((log, reopen) => {
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
        for (const id of ['1', '2', '3']) log.append(image(id, 'shop'));
        log.append(image('4', 'cart'));
        log.append(push('5', zeroSha, sha('a')));
        assert.deepEqual(log.append(image('2', 'shop')), { type: 'duplicate', id: '2' });
        const { event } = image('any', 'shop');
        const ids = (found: Delivery[]) => found.map((one) => one.event.id);
        assert.deepEqual(ids(reopen().recent(event, 2)), ['3', '2']);
        assert.deepEqual(ids(log.recent(image('any', 'cart').event, 9)), ['4']);
        assert.equal(log.newest(repository, 'git', 'refs/heads/main')?.event.id, '5');
        for (const id of ['1', '2', '4', '5']) log.done(id);
        log.prune(event, 1);
        assert.deepEqual(
          ['1', '2', '3', '4', '5'].filter((id) => log.find(id)),
          ['3', '4', '5'],
        );
      }),
    );

    it(
      'forgets old deliveries of one repository only, and none that is not done',
      withLog((log) => {
        const event = push('e', zeroSha, sha('a')).event;
        for (const [index, id] of ['1', '2', '3', '4'].entries()) {
          log.append(push(id, sha(String(index)), sha(String(index + 1))));
          if (id !== '1') log.done(id);
        }
        log.append(push('other', zeroSha, sha('a'), { repository: { ...repository, id: 'r2' } }));
        log.done('other');
        log.prune(event, 1);
        const left = ['1', '2', '3', '4', 'other'].filter((id) => log.find(id));
        assert.deepEqual(left, ['1', '4', 'other']);
      }),
    );
  });
}
