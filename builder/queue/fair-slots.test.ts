import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFairSlots, type Slot } from './fair-slots.ts';

const never = new AbortController().signal;

describe('fair slots', () => {
  it('give each owner its turn, however much another one waits for', async () => {
    const slots = createFairSlots({ total: 1, perOwner: 1 });
    const order: string[] = [];
    const take = async (owner: string) => {
      using _ = await slots.acquire(owner, never);
      order.push(owner);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await Promise.all(['a', 'a', 'a', 'a', 'b', 'b', 'c'].map(take));
    assert.deepEqual(order, ['a', 'a', 'b', 'c', 'a', 'b', 'a']);
  });

  it('never give out more than there are, in all and per owner', async () => {
    const slots = createFairSlots({ total: 3, perOwner: 2 });
    let most = 0;
    let held = 0;
    const heldBy = new Map<string, number>();
    const take = async (owner: string) => {
      using _ = await slots.acquire(owner, never);
      held += 1;
      heldBy.set(owner, (heldBy.get(owner) ?? 0) + 1);
      most = Math.max(most, held);
      assert.ok((heldBy.get(owner) ?? 0) <= 2);
      await new Promise((resolve) => setImmediate(resolve));
      held -= 1;
      heldBy.set(owner, (heldBy.get(owner) ?? 0) - 1);
    };
    await Promise.all([...Array(20)].map((_, index) => take(index % 4 === 0 ? 'b' : 'a')));
    assert.equal(most, 3);
  });

  it('let a waiter leave and are not lost by it', async () => {
    const slots = createFairSlots({ total: 1, perOwner: 1 });
    const first: Slot = await slots.acquire('a', never);
    const controller = new AbortController();
    const left = assert.rejects(slots.acquire('b', controller.signal), /enough/);
    const patient = slots.acquire('b', never);
    controller.abort(new Error('enough'));
    await left;
    first.release();
    first.release();
    (await patient).release();
    (await slots.acquire('c', never)).release();
  });
});
