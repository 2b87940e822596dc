import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Identity } from './access.ts';
import { mayInvoke, readFunctionAccess, stricterAccess } from './function-access.ts';

const al: Identity = {
  ownerId: '1',
  owner: 'al',
  name: 'Al',
  email: 'al@example.org',
  role: 'member',
  via: 'token',
};
const operator: Identity = { ...al, ownerId: '9', owner: 'ops', role: 'operator' };

describe('access to a function', () => {
  it('is for everybody unless its author says something else, and for the owner if that cannot be read', () => {
    assert.equal(readFunctionAccess(undefined), 'public');
    assert.equal(readFunctionAccess('members'), 'members');
    for (const text of ['', 'Public', 'everybody', 'public '])
      assert.equal(readFunctionAccess(text), 'owner');
  });

  it('is decided by owner id, never by a name', () => {
    const cases: [Identity | undefined, 'public' | 'members' | 'owner', boolean][] = [
      [undefined, 'public', true],
      [undefined, 'members', false],
      [undefined, 'owner', false],
      [al, 'members', true],
      [al, 'owner', true],
      [operator, 'members', true],
      [operator, 'owner', false],
      [{ ...al, ownerId: '11' }, 'members', false],
      [{ ...al, ownerId: '11' }, 'owner', false],
    ];
    for (const [who, access, expected] of cases) {
      assert.equal(mayInvoke(who, { access, ownerId: '1' }), expected, `${who?.ownerId} ${access}`);
    }
  });

  it('is the stricter one of two', () => {
    assert.equal(stricterAccess('public', 'owner'), 'owner');
    assert.equal(stricterAccess('members', 'public'), 'members');
    assert.equal(stricterAccess('owner', 'members'), 'owner');
  });
});
