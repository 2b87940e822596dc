import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { durationMs } from './duration.ts';
import { createOutputTail } from './output-tail.ts';

describe('output tail', () => {
  const cases: [title: string, output: string, cause: string][] = [
    ['nothing', '', ''],
    ['a plain last line', 'starting\ngave up\n\n', 'gave up'],
    [
      'node’s error before its stack',
      `/x/index.js:3\nthrow new Error('boom');\n^\n\nError: boom\n    at x (y:1:2)\n\nNode.js v24.1.0\n`,
      'Error: boom',
    ],
    [
      'an error with a code',
      `node:internal/modules\n\nError [ERR_X]: no module\n    at z\n{\n  code: 'X'\n}\n\nNode.js v24.1.0\n`,
      'Error [ERR_X]: no module',
    ],
    [
      'Python’s error after its stack',
      `Traceback (most recent call last):\n  File "x.py", line 1\nValueError: bad value\n`,
      'ValueError: bad value',
    ],
    ['colours and control characters', '\u001b[31mred\u001b[0m \u0007alert\n', 'red alert'],
  ];
  for (const [title, output, cause] of cases) {
    it(`finds ${title}`, () => {
      const tail = createOutputTail();
      tail.push(Buffer.from(output));
      assert.equal(tail.cause().replace(/ +/g, ' '), cause);
    });
  }

  it('keeps the end of a long output, and a cause of at most 300 characters', () => {
    const tail = createOutputTail();
    for (let n = 0; n < 1000; n++) tail.push(Buffer.from(`line ${n} ${'x'.repeat(100)}\n`));
    tail.push(Buffer.from('y'.repeat(5000)));
    assert.equal(tail.cause(), `${'y'.repeat(300)}…`);
    assert.equal(tail.includes(/line 0 /), false);
  });
});

describe('watchdog durations', () => {
  const cases: [text: string | undefined, ms: number][] = [
    [undefined, 7],
    ['10', 10_000],
    ['0', 0],
    ['1m30s', 90_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['soon', 7],
    ['-1s', 7],
    ['10 s', 7],
    ['', 7],
  ];
  for (const [text, ms] of cases) {
    it(`reads ${JSON.stringify(text)} as ${ms} ms`, () => assert.equal(durationMs(text, 7), ms));
  }
});
