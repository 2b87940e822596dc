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
    assert.deepEqual(order, ['a', 'b', 'c', 'a', 'b', 'a', 'a']);
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

  for (const total of [1, 2, 4]) {
    it(`delay one build by one other at most, when owners with a hundred each hold all ${total}`, async () => {
      const slots = createFairSlots({ total, perOwner: Math.max(1, total - 1) });
      const running: { owner: string; slot: Slot }[] = [];
      const take = (owner: string) =>
        void slots.acquire(owner, never).then((slot) => running.push({ owner, slot }));
      const settled = () => new Promise((resolve) => setImmediate(resolve));
      for (let count = 0; count < 100; count += 1) for (const owner of ['a', 'b', 'c']) take(owner);
      await settled();
      for (let ended = 0; ended < 50; ended += 1) {
        running.shift()?.slot.release();
        await settled();
        // Until each of them had a turn, none of them is ahead of anybody.
        if (ended < 5 || ended % 5 !== 0) continue;
        take(`single-${ended}`);
        await settled();
        if (!running.some(({ owner }) => owner === `single-${ended}`)) {
          running.shift()?.slot.release();
          await settled();
        }
        assert.ok(running.some(({ owner }) => owner === `single-${ended}`));
      }
    });
  }

  it('do not let owners that come again and again starve one that waits for many', async () => {
    const slots = createFairSlots({ total: 1, perOwner: 1 });
    const order: string[] = [];
    let slot = await slots.acquire('flood', never);
    const next: Promise<void>[] = [];
    const take = (owner: string) => {
      next.push(
        slots.acquire(owner, never).then((given) => {
          slot = given;
          order.push(owner);
        }),
      );
    };
    for (let count = 0; count < 10; count += 1) take('flood');
    take('x');
    for (let count = 0; count < 12; count += 1) {
      take(count % 2 === 0 ? 'y' : 'x');
      slot.release();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(order.filter((owner) => owner === 'flood').length >= 3, order.join(' '));
    assert.ok(order.filter((owner) => owner === 'x').length >= 3, order.join(' '));
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
