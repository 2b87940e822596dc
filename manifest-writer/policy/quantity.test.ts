import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseQuantity } from './quantity.ts';

test('quantities of every notation are compared by what they mean', () => {
  const ascending = [
    ...[
      '0',
      '1n',
      '1u',
      '0.5m',
      '1m',
      '100m',
      '0.2',
      '1',
      '1.5',
      '1e1',
      '0.9k',
      '1e3',
      '1001',
      '1Ki',
      '1.1k',
    ],
    ...['128M', '128Mi', '0.5G', '0.5Gi', '1Gi', '2E9', '1T', '1Ti', '1P', '1Pi', '1E', '1Ei'],
  ];
  const values = ascending.map((text) => parseQuantity(text) ?? assert.fail(text));
  for (const [index, value] of values.entries()) {
    if (index > 0)
      assert.ok(value > (values[index - 1] ?? 0n), `${ascending[index - 1]} < ${ascending[index]}`);
  }
  for (const [one, other] of [
    ['1', '1000m'],
    ['1e3', '1k'],
    ['1E3', '1000'],
    ['1024Mi', '1Gi'],
    ['0.5', '500m'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['1e-3', '1m'],
    ['0.0000000001', '1n'],
  ] as const) {
    assert.equal(parseQuantity(one), parseQuantity(other), `${one} = ${other}`);
  }
});

test('what is no quantity, or more than Kubernetes can hold, is not read', () => {
  const none = [
    '',
    '.',
    'm',
    '-1',
    '+1',
    '1 Gi',
    '1gi',
    '1KI',
    '1mi',
    '1e',
    '1e999',
    '0x10',
    'Infinity',
    '1\n',
    '١',
  ];
  for (const text of [...none, '9'.repeat(31), '8Ei', '9223372036854775808', '1e99']) {
    assert.equal(parseQuantity(text), undefined, text);
  }
  assert.notEqual(parseQuantity('9223372036854775807'), undefined);
});

test('any text is read at once, as a number or not at all', () => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789.eE+-mkMGiKn'), maxLength: 60 });
  fc.assert(
    fc.property(text, (some) => {
      const value = parseQuantity(some);
      assert.ok(value === undefined || value >= 0n);
    }),
    { numRuns: 300 },
  );
});
