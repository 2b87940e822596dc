import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Identity, mayAnnounce, mayChange, mayRead, mayUseGitOps, type Workload } from './access.ts';

const al: Identity = {
  ownerId: '1',
  owner: 'al',
  name: 'Al',
  email: 'al@example.org',
  role: 'member',
  via: 'token',
};
const operator: Identity = { ...al, ownerId: '9', owner: 'demo', role: 'operator' };

describe('access', () => {
  it('is by owner id: a name that begins alike opens nothing', () => {
    assert.equal(mayRead(al, '1'), true);
    assert.equal(mayRead({ ...al, owner: 'alex' }, '11'), false);
    assert.equal(mayChange(al, '11'), false);
  });

  it('is refused to nobody in particular', () => {
    assert.equal(mayRead(undefined, '1'), false);
    assert.equal(mayChange(undefined, '1'), false);
    assert.equal(mayUseGitOps(undefined), false);
  });

  it("gives operators every owner's things and the GitOps repository, members their own alone", () => {
    assert.equal(mayChange(operator, '1'), true);
    assert.equal(mayUseGitOps(operator), true);
    assert.equal(mayUseGitOps(al), false);
  });

  it('lets a CI job announce images for the owners that bound it, and do nothing else', () => {
    const job: Workload = {
      via: 'workload',
      ownerIds: ['1', '22'],
      scm: 'github',
      issuer: 'https://forge.example',
      subject: 'repo:al/x',
      repository: { id: '7', name: 'x', path: 'al/x', url: 'https://forge.example/al/x', private: true },
      ref: 'refs/heads/main',
      commit: null,
      run: null,
      actor: { name: 'al', login: 'al', email: '' },
    };
    assert.equal(mayAnnounce(job, '1'), true);
    assert.equal(mayAnnounce(job, '2'), false);
    assert.equal(mayAnnounce(undefined, '1'), false);
    assert.equal(mayAnnounce(al, '1'), true);
    assert.equal(mayAnnounce(al, '2'), false);
  });
});
