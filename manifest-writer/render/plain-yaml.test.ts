import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { fromYaml, fromYamlSlowly, toYaml, toYamlSlowly } from './yaml-text.ts';

const words = fc.constantFrom(
  ...[
    'a',
    'true',
    'No',
    'null',
    '~',
    '-',
    '- a',
    'a: b',
    'a #b',
    '#',
    '1',
    '-1',
    '1e3',
    '0x1f',
    '1:20',
    '.5',
    '',
    ' ',
  ],
  ...[
    'x ',
    '"',
    "'",
    '{}',
    '[]',
    '|',
    '>',
    '&a',
    '*a',
    '!t',
    '%',
    '@x',
    '`',
    'http://a/b:c',
    'r/a-b:t@sha256:00',
    '{a',
    '---',
  ],
  ...[
    '...',
    '__proto__',
    'constructor',
    '<<',
    '=',
    '?',
    ': ',
    'a:',
    '\n',
    'a\nb: c',
    '\t',
    'ü',
    '\u2028',
    '2026-01-01',
    '+1',
    '_1',
  ],
);
const text = fc.oneof(
  words,
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }).map((value) => value.toWellFormed()),
  fc.stringMatching(/^[0-9a-f]{8}$/),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/),
);
const { data } = fc.letrec((tie) => ({
  data: fc.dictionary(text, tie('value'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    text,
    fc.boolean(),
    fc.integer(),
    fc.array(text, { maxLength: 3 }),
    fc.array(tie('data'), { maxLength: 2 }),
    tie('data'),
  ),
}));

test('the fast writer writes what the library writes, and any reader reads the data back', () => {
  fc.assert(
    fc.property(data, (value) => {
      const plain = value as object;
      const written = toYaml(plain);
      assert.equal(written, toYamlSlowly(plain));
      assert.deepEqual(parse(written), plain);
      assert.deepEqual(fromYaml(written), plain);
    }),
    { numRuns: 1_500 },
  );
});

test('the fast reader reads what the library reads, also in texts that were changed by hand', () => {
  const change = fc.record({
    at: fc.nat(),
    text: fc.oneof(words, fc.constantFrom('\n', '  ', '- ', 'k: v\n')),
  });
  fc.assert(
    fc.property(data, fc.array(change, { maxLength: 2 }), (value, changes) => {
      let written = toYaml(value as object);
      for (const { at, text: added } of changes) {
        const place = at % (written.length + 1);
        written = written.slice(0, place) + added + written.slice(place);
      }
      assert.deepEqual(fromYaml(written), fromYamlSlowly(written));
    }),
    { numRuns: 1_500 },
  );
});

test('manifests take the fast way', async () => {
  const folder = join(import.meta.dirname, 'golden');
  for (const name of await readdir(folder)) {
    const manifest = (await readFile(join(folder, name), 'utf8')).replace(/^.*[^\x20-\x7e\n].*\n/gm, '');
    const value = fromYamlSlowly(manifest) as object;
    assert.equal(toYaml(value), manifest, name);
    assert.deepEqual(fromYaml(manifest), value, name);
  }
});
