import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatImageReference, type ImageReference, parseImageReference } from './image-reference.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

test('what is left out of a name is filled in as Docker does', () => {
  const cases: [string, ImageReference][] = [
    ['alpine', { registry: 'docker.io', repository: 'library/alpine', tag: 'latest', digest: undefined }],
    ['acme/app:1.2', { registry: 'docker.io', repository: 'acme/app', tag: '1.2', digest: undefined }],
    [
      'docker.io/alpine',
      { registry: 'docker.io', repository: 'library/alpine', tag: 'latest', digest: undefined },
    ],
    ['index.docker.io/a/b', { registry: 'docker.io', repository: 'a/b', tag: 'latest', digest: undefined }],
    ['localhost/app', { registry: 'localhost', repository: 'app', tag: 'latest', digest: undefined }],
    [
      'localhost:5000/app',
      { registry: 'localhost:5000', repository: 'app', tag: 'latest', digest: undefined },
    ],
    ['[::1]:5000/a/b:x', { registry: '[::1]:5000', repository: 'a/b', tag: 'x', digest: undefined }],
    [`ghcr.io/a/b/c@${digest}`, { registry: 'ghcr.io', repository: 'a/b/c', tag: undefined, digest }],
    [`ghcr.io/a:v1@${digest}`, { registry: 'ghcr.io', repository: 'a', tag: 'v1', digest }],
    ['GHCR.io/a/b', { registry: 'ghcr.io', repository: 'a/b', tag: 'latest', digest: undefined }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseImageReference(text), expected, text);
});

test('what is no reference is refused', () => {
  const wrong = [
    ...[
      '',
      ' ',
      'Alpine',
      'a/B',
      'a//b',
      '/a',
      'a/',
      'a:',
      'a:b:c',
      'a@sha256:12',
      `a@sha256:${'G'.repeat(64)}`,
    ],
    ...[
      'http://ghcr.io/a',
      'ghcr.io/../a',
      'ghcr.io/a/..',
      'ghcr.io/a?x=1',
      'ghcr.io/a#x',
      'a b',
      'a\nb',
      'a%2f',
    ],
    ...[
      'user:pw@ghcr.io/a',
      'ghcr.io:99999/a',
      'ghcr.io:/a',
      '-x.io/a',
      'x..io/a',
      '$IMAGE',
      'a'.repeat(600),
    ],
    ...[
      `${'a/'.repeat(130)}a`,
      `a:${'t'.repeat(129)}`,
      `a@${digest}@${digest}`,
      '169.254.169.254:0/a',
      '[::1/a',
    ],
  ];
  for (const text of wrong) assert.equal(parseImageReference(text), undefined, JSON.stringify(text));
});

test('whatever parses is printed to what parses to the same', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const registry = fc.oneof(
    fc.constantFrom('docker.io', 'localhost', 'localhost:5000', '127.0.0.1:80', '[::1]:5000'),
    fc.tuple(word, word).map(([a, b]) => `${a}.${b}`),
  );
  const reference = fc.record({
    registry,
    repository: fc.array(word, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
    tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined }),
    digest: fc.option(fc.constant(digest), { nil: undefined }),
  });
  fc.assert(
    fc.property(reference, (given) => {
      const parsed = parseImageReference(formatImageReference(given));
      const tag = given.tag ?? (given.digest === undefined ? 'latest' : undefined);
      assert.deepEqual(parsed, { ...given, tag });
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const parsed = parseImageReference(text);
      if (parsed) assert.deepEqual(parseImageReference(formatImageReference(parsed)), parsed);
    }),
  );
});
