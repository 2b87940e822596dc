import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { WorkloadBinding } from '../../core/auth.ts';
import type { BindingStore } from './binding-store.ts';

export interface BindingStoreSubject extends AsyncDisposable {
  store: BindingStore;
  addOwner(id: string): void;
  removeOwner(id: string): void;
}

const binding: WorkloadBinding = {
  id: 'b1',
  ownerId: 'ann',
  issuer: 'https://forge.example',
  repositoryId: '74',
  repository: 'acme/shop',
  ref: 'refs/heads/main',
  environment: null,
  workflow: null,
  createdAt: 1,
};

/** What every `BindingStore` does. */
export function describeBindingStore(name: string, makeSubject: () => Promise<BindingStoreSubject>): void {
  suite(`${name}: a store of bindings`, () => {
    test('a binding is found by its owner and by its repository, and only there', async () => {
      await using subject = await makeSubject();
      const { store } = subject;
      subject.addOwner('ann');
      subject.addOwner('bob');
      const second = {
        ...binding,
        id: 'b2',
        ownerId: 'bob',
        ref: null,
        environment: 'prod',
        workflow: 'a.yml',
      };
      assert.equal(store.add(binding), true);
      assert.equal(store.add(second), true);
      assert.deepEqual(store.ofOwner('ann'), [binding]);
      assert.deepEqual(store.ofRepository(binding.issuer, '74'), [binding, second]);
      assert.deepEqual(store.ofRepository(binding.issuer, '7'), []);
      assert.deepEqual(store.ofRepository('https://forge.example.evil', '74'), []);
    });

    test('the same said twice is one; other conditions are another', async () => {
      await using subject = await makeSubject();
      const { store } = subject;
      subject.addOwner('ann');
      assert.equal(store.add(binding), true);
      assert.equal(store.add({ ...binding, id: 'b2', repository: 'renamed' }), false);
      assert.equal(store.add({ ...binding, id: 'b3', ref: null }), true);
      assert.equal(store.add({ ...binding, id: 'b4', ref: null }), false);
      assert.equal(store.ofOwner('ann').length, 2);
    });

    test('it goes with a removal of its owner, or by its owner alone', async () => {
      await using subject = await makeSubject();
      const { store } = subject;
      assert.equal(store.add(binding), false);
      subject.addOwner('ann');
      store.add(binding);
      assert.equal(store.remove('bob', 'b1'), false);
      assert.equal(store.remove('ann', 'b1'), true);
      assert.equal(store.remove('ann', 'b1'), false);
      store.add(binding);
      subject.removeOwner('ann');
      assert.deepEqual(store.ofRepository(binding.issuer, '74'), []);
    });
  });
}
