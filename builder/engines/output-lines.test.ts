import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createErrorLine, createOutputLines } from './output-lines.ts';

function linesOf(chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const output = createOutputLines((line) => lines.push(line));
  for (const chunk of chunks) output.write(Buffer.from(chunk as string), 'stdout');
  output.end();
  return lines;
}

describe('output lines', () => {
  it('cut at line ends of every kind and keep a last line without one', () => {
    assert.deepEqual(linesOf(['a\nb\r\n\nc']), ['a', 'b', '', 'c']);
  });

  it('keep only the last state of a line that is overwritten', () => {
    assert.deepEqual(linesOf(['10 %\r50 %\r', '100 %\r\nend\r']), ['100 %', 'end']);
  });

  it('put characters together that were cut between chunks', () => {
    const bytes = Buffer.from('häse 🐇\n');
    assert.deepEqual(linesOf([...bytes].map((byte) => Buffer.from([byte]))), ['häse 🐇']);
  });

  it('keep the two streams apart', () => {
    const lines: string[] = [];
    const output = createOutputLines((line) => lines.push(line));
    output.write(Buffer.from('a'), 'stdout');
    output.write(Buffer.from('x\n'), 'stderr');
    output.write(Buffer.from('b\n'), 'stdout');
    assert.deepEqual(lines, ['x', 'ab']);
  });

  it('are the same however the output is cut into chunks, and never longer than 8192', () => {
    const piece = fc.oneof(
      fc.constantFrom('a', '\n', '\r', '\r\n', '🐇', 'x'.repeat(9000)),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const once = linesOf([pieces.join('')]);
        assert.ok(once.every((line) => line.length <= 8192 && !line.includes('\n') && !line.includes('\r')));
        const noLongLines = pieces.every((text) => text.length < 9000);
        if (noLongLines) assert.deepEqual(linesOf(pieces), once);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the telling line', () => {
  const tell = (lines: string[]) => {
    const errorLine = createErrorLine();
    for (const line of lines) errorLine.see(line);
    return errorLine.get();
  };

  it('is the last one that speaks of an error, without colours', () => {
    assert.equal(
      tell(['ok', '\u001b[31mTypeError: x is not a function\u001b[0m', '    at y', '', 'bye']),
      'TypeError: x is not a function',
    );
  });

  it('is never a piece of a line, which a secret may be cut in two in', () => {
    const errorLine = createErrorLine();
    const out = 'stdout';
    errorLine.see('TypeError: a whole line', { stream: out, goesOn: false });
    errorLine.see('error: the first half of a sec', { stream: out, goesOn: true });
    errorLine.see('error: of another stream', { stream: 'stderr', goesOn: true });
    errorLine.see('ret, and an error', { stream: out, goesOn: false });
    assert.equal(errorLine.get(), 'TypeError: a whole line');
    errorLine.see('error: whole again', { stream: out, goesOn: false });
    assert.equal(errorLine.get(), 'error: whole again');
  });

  it('is none of what npm says about itself', () => {
    const lines = [
      'npm error code ERESOLVE',
      'npm error ERESOLVE could not resolve: unable to find left-pad',
      'npm error',
      'npm error A complete log of this run can be found in: /x/_logs/1.log',
    ];
    assert.equal(tell(lines), 'npm error ERESOLVE could not resolve: unable to find left-pad');
  });

  it('is the last line if none speaks of an error, and empty if there is none', () => {
    assert.equal(tell(['one', 'two', '  ']), 'two');
    assert.equal(tell([]), '');
  });
});
