import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EnvironmentRules, refTargets } from './environment-rules.ts';

const repository = { id: '42', owner: 'acme-web', name: 'shop', path: 'Acme/Web/shop' };
const other = { ...repository, id: '43', name: 'blog', path: 'Acme/Web/blog' };

function targets(...environments: object[]) {
  return refTargets(environments.map((one) => EnvironmentRules.parse(one)));
}

function environmentOf(refs: ReturnType<typeof targets>, branch: string, of = repository) {
  const target = refs.forRef(`refs/heads/${branch}`, 'main', of);
  return target.way === 'deploy' ? target.environment : target.way;
}

describe('the branches of one repository', () => {
  for (const [title, rule] of [
    ['its path', { path: 'acme/web/SHOP' }],
    ['its id', { id: '42' }],
  ] as const) {
    it(`by ${title}, take the place of the environment's for it alone`, () => {
      const refs = targets({ name: 'default', repositories: [{ ...rule, branches: ['release/*'] }] });
      assert.equal(environmentOf(refs, 'release/1'), 'default');
      assert.equal(environmentOf(refs, 'main'), 'none');
      assert.equal(environmentOf(refs, 'main', other), 'default');
      assert.equal(environmentOf(refs, 'release/1', other), 'none');
    });
  }

  it('are exact: of a full ref, not of its last part', () => {
    const refs = targets({ name: 'default', repositories: [{ id: '42', branches: ['main'] }] });
    for (const branch of ['feature/main', 'Main', 'm\u0430in', 'main/x']) {
      assert.equal(environmentOf(refs, branch), 'none', branch);
    }
    assert.equal(refs.forRef('refs/tags/main', 'main', repository).way, 'none');
  });

  it('may go to another environment, or to none', () => {
    const refs = targets(
      { name: 'staging', branches: ['develop'], repositories: [{ id: '42', branches: ['main'] }] },
      { name: 'default', repositories: [{ id: '42', branches: [] }] },
    );
    assert.equal(environmentOf(refs, 'main'), 'staging');
    assert.equal(environmentOf(refs, 'develop'), 'none');
    assert.equal(environmentOf(refs, 'develop', other), 'staging');
    assert.equal(environmentOf(refs, 'main', other), 'default');
  });

  it('are of a repository of the built-in host by owner and name', () => {
    const refs = targets({ name: 'default', repositories: [{ path: 'alice/shop', branches: ['live'] }] });
    const own = { id: 'r1', owner: 'alice', name: 'shop' };
    assert.equal(refs.forRef('refs/heads/live', 'main', own).way, 'deploy');
  });

  it('have to say which repository', () => {
    for (const rule of [{ branches: [] }, { id: '1', path: 'a/b', branches: [] }, { id: '1' }]) {
      assert.throws(() => EnvironmentRules.parse({ name: 'default', repositories: [rule] }));
    }
  });
});
