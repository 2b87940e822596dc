import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { singleFrom } from './single-from.ts';

test('a Dockerfile of one FROM names an image, however it is written', () => {
  const cases: [string, string, number, number, string?][] = [
    ['FROM ghcr.io/acme/app:1.2', 'ghcr.io/acme/app:1.2', 1, 1],
    ['from alpine\n', 'alpine', 1, 1],
    ['\n# our service\n\n  FROM  a/b:1   AS  run  \r\n\n# end\n', 'a/b:1', 4, 3],
    ['# syntax=docker/dockerfile:1\nFROM --platform=linux/arm64 a/b', 'a/b', 2, 1, 'linux/arm64'],
    ['FROM \\\n  # between\n  a/b:1 \\\n  as x', 'a/b:1', 1, 1],
    ['# escape=`\nFROM `\n a/b', 'a/b', 2, 1],
    ['\u{feff}FROM a/b', 'a/b', 1, 1],
    ['FROM a/b \\', 'a/b', 1, 1],
  ];
  for (const [text, image, line, column, platform] of cases) {
    assert.deepEqual(singleFrom(text), { image, platform, line, column }, JSON.stringify(text));
  }
});

test('whatever needs a build is built', () => {
  const texts = [
    ...['', '# FROM a', 'FROM', 'FROM scratch', 'FROM a\nRUN true', 'FROM a\nLABEL x=y', 'FROM a\nFROM b'],
    ...[
      'ARG V=1\nFROM a:$V',
      'FROM a:${V}',
      'ARG V\nFROM a',
      'FROM --platform=$BUILDPLATFORM a',
      'FROM a AS',
    ],
    ...[
      'FROM a b',
      'FROM a AS x y',
      'FROM --other=1 a',
      'COPY . .',
      'FROMa',
      'FROM a\n\nEXPOSE 80',
      'FROM a; RUN x y',
    ],
    ...['FROM --platform=a --platform=b c', 'RUN <<FROM a\nFROM a\nFROM'],
  ];
  for (const text of texts) assert.equal(singleFrom(text), undefined, JSON.stringify(text));
});

test('no text makes it throw, and another instruction always means a build', () => {
  const instruction = fc.constantFrom('RUN true', 'COPY . .', 'ENV A=b', 'USER app', 'CMD ["x"]', 'ARG A');
  const filler = fc.array(fc.constantFrom('', '# comment', '   '), { maxLength: 4 });
  fc.assert(
    fc.property(filler, instruction, filler, (before, other, after) => {
      assert.equal(singleFrom([...before, 'FROM a', ...after, other].join('\n')), undefined);
      assert.equal(singleFrom([...before, 'FROM a', ...after].join('\n'))?.line, before.length + 1);
    }),
  );
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void singleFrom(text)));
});
