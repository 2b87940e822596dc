import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Delivery } from '../deliveries/delivery-log.ts';
import type { PushJournal } from './push-journal.ts';
import { createPushJournals } from './push-journals.ts';

const delivery = { event: { id: 'p1' } } as unknown as Delivery;

/** Journals that only note that they were made and ended; ending takes until it is let go. */
function setUp() {
  const notes: string[] = [];
  const gate = Promise.withResolvers<void>();
  const create = () => {
    notes.push('made');
    const end = async () => {
      notes.push('ending');
      await gate.promise;
      notes.push('ended');
    };
    return { pushId: 'p1', end } as unknown as PushJournal;
  };
  return { notes, letGo: gate.resolve, journals: createPushJournals(create) };
}

test('a push has one journal, which ends with the last who works with it, once', async () => {
  const { notes, letGo, journals } = setUp();
  const [first, second] = [journals.open(delivery), journals.open(delivery)];
  letGo();
  await first.end();
  await first.end();
  assert.deepEqual(notes, ['made']);
  await second.end();
  assert.deepEqual(notes, ['made', 'ending', 'ended']);
  journals.open(delivery);
  assert.equal(notes.at(-1), 'made', 'later work opens it anew');
});

test('whoever wants to go on with a push waits until its journal is closed', async () => {
  const { notes, letGo, journals } = setUp();
  await journals.closed('p1');
  const ended = journals.open(delivery).end();
  const closed = journals.closed('p1').then(() => notes.push('may open'));
  letGo();
  await Promise.all([ended, closed]);
  assert.deepEqual(notes, ['made', 'ending', 'ended', 'may open']);
});
