import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differInHoldAlone, readHeld } from './hold.ts';

const manifest = (annotations: string) => `apiVersion: openfaas.com/v1
kind: Function
metadata:
  name: alice-hello
  annotations:
    towline.dev/git-repo: greetings
${annotations}spec:
  name: alice-hello
  image: example.org/a@sha256:1
`;
const held = (value: string) => manifest(`    towline.dev/hold: ${value}\n`);

test('any value holds, of whatever type it is, but nothing and false', () => {
  for (const value of ['true', '1', '2026-11-22', 'until Monday', '"yes"', '[a, b]', '{a: b}', '1.5']) {
    const read = readHeld(held(value));
    assert.notEqual(read?.hold, undefined, value);
    assert.equal(read?.bare, manifest(''), value);
  }
  for (const value of ['', '~', 'null', 'false', '"false"', '""', '"  "']) {
    const read = readHeld(held(value));
    assert.deepEqual([read?.hold, read !== undefined], [undefined, true], value);
  }
});

test('of what is no manifest nobody knows whether it is held', () => {
  for (const text of [
    '',
    'a: [',
    held('true').replace('kind: Function\n', ''),
    `${held('x')}---\n${held('x')}`,
  ]) {
    assert.equal(readHeld(text), undefined, text);
  }
});

test('a change of nothing but the hold is told from one of anything else', () => {
  const free = manifest('');
  const other = free.replace('sha256:1', 'sha256:2');
  for (const [before, after] of [
    [free, held('true')],
    [held('true'), held('"alice since 2026-11-22T09:00:00Z"')],
    [held('false'), free],
  ] as const) {
    assert.equal(differInHoldAlone(before, after), true, after);
  }
  for (const [before, after] of [
    [free, other],
    [held('x'), other],
    ['', free],
    [free, 'a: ['],
  ] as const) {
    assert.equal(differInHoldAlone(before, after), false, after);
  }
});
