import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { branchOf, digestOf, imageName, labelValue, RepoName, whyNotFunction, whyNotOwner } from './names.ts';

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/);
const digest = `sha256:${'a'.repeat(64)}`;

describe('names', () => {
  for (const slug of ['alice', 'a', 'a-b', '1st', 'a'.repeat(39)]) {
    it(`takes the owner ${slug}`, () => assert.equal(whyNotOwner(slug), undefined));
  }
  for (const slug of [
    '',
    'Alice',
    'a_b',
    '-a',
    'a-',
    'a.b',
    'a'.repeat(40),
    'system',
    'git',
    'api',
    'registry',
    'default',
    'towline',
    'ä',
    'a\n',
  ]) {
    it(`refuses the owner ${JSON.stringify(slug)}`, () => assert.ok(whyNotOwner(slug)));
  }
  for (const name of [
    'Hello',
    'he.llo',
    '..',
    '.',
    '',
    'a/b',
    'x'.repeat(80),
    'kustomization',
    'tenant',
    'pushes',
    '__proto__',
    'a\0',
  ]) {
    it(`refuses the function ${JSON.stringify(name.slice(0, 20))}`, () =>
      assert.ok(whyNotFunction('alice', name)));
  }

  it('refuses a function whose object name is longer than Kubernetes allows', () => {
    assert.equal(whyNotFunction('alice', 'x'.repeat(57)), undefined);
    assert.match(whyNotFunction('alice', 'x'.repeat(58)) ?? '', /63/);
  });

  for (const name of ['.', '..', '.git', 'a/b', 'a.git', '-x', 'a..b', '', 'a b']) {
    it(`refuses the repository ${JSON.stringify(name)}`, () =>
      assert.equal(RepoName.safeParse(name).success, false));
  }

  it('reads a branch from a full ref alone', () => {
    assert.equal(branchOf('refs/heads/feature/main'), 'feature/main');
    assert.equal(branchOf('refs/tags/v1'), undefined);
    assert.equal(branchOf('main'), undefined);
  });

  it('makes image names that the OCI grammar takes, whatever the repository and branch are called', () => {
    const grammar =
      /^[a-z0-9.]+(?:\/[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}@sha256:[0-9a-f]{64}$/;
    fc.assert(
      fc.property(
        label,
        fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,40}$/),
        label,
        fc.string({ minLength: 1, maxLength: 300 }),
        (owner, repo, functionName, branch) => {
          const name = imageName({
            registry: 'registry.example',
            owner,
            repo,
            functionName,
            branch,
            sha: 'b'.repeat(40),
          });
          const image = `${name}@${digest}`;
          assert.match(image, grammar);
          assert.equal(digestOf(image), digest);
        },
      ),
    );
  });

  it('makes label values that Kubernetes takes', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        assert.match(labelValue(text), /^$|^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
      }),
    );
  });
});
