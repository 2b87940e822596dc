import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNotices } from './notices.ts';

function noted() {
  const told: object[] = [];
  const notices = createNotices({ warn: (what: object) => void told.push(what) });
  return { ...notices, told };
}

describe('notices', () => {
  it('tell of what is new, and of what has come back', () => {
    const { tell, told } = noted();
    tell('kept', [{ name: 'a' }]);
    tell('kept', [{ name: 'a' }, { name: 'b' }]);
    tell('kept', []);
    tell('kept', [{ name: 'a' }]);
    assert.deepEqual(told, [{ name: 'a' }, { name: 'b' }, { name: 'a' }]);
  });

  it('keep kinds of trouble apart', () => {
    const { tell, told } = noted();
    tell('kept', [{ name: 'a' }]);
    tell('dropped', [{ name: 'a' }]);
    tell('kept', [{ name: 'a' }]);
    assert.equal(told.length, 2);
  });

  it('say how many more there are, when there are many', () => {
    const { tell, told } = noted();
    tell(
      'kept',
      Array.from({ length: 1000 }, (_, name) => ({ name })),
    );
    assert.equal(told.length, 21);
    assert.deepEqual(told.at(-1), { more: 980 });
  });
});
