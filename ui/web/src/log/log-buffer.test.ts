import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogLine } from '../../../../core/deploy.ts';
import { LogBuffer, lineOfHash } from './log-buffer.ts';

function line(n: number, functionName: string | null = null, kind: LogLine['kind'] = 'output'): LogLine {
  return { n, time: 0, functionName, stage: 'build', kind, text: `line ${n}` };
}

describe('the lines of a push', () => {
  it('takes each line once when the stream starts over', () => {
    const buffer = new LogBuffer();
    assert.equal(buffer.append([line(1), line(2), line(3)]), 3);
    assert.equal(buffer.append([line(2), line(3), line(4)]), 1);
    assert.deepEqual(
      buffer.shown.map(({ n }) => n),
      [1, 2, 3, 4],
    );
    assert.equal(buffer.lastNumber, 4);
  });

  it('shows one function with the lines of the whole push, also for those that come later', () => {
    const buffer = new LogBuffer();
    buffer.append([line(1), line(2, 'a'), line(3, 'b')]);
    buffer.setFilter('b');
    assert.equal(buffer.append([line(4, 'a'), line(5, 'b'), line(6)]), 2);
    assert.deepEqual(
      buffer.shown.map(({ n }) => n),
      [1, 3, 5, 6],
    );
    assert.deepEqual(buffer.functions, ['a', 'b']);
    buffer.setFilter(null);
    assert.equal(buffer.shown.length, 6);
  });

  it('finds a line by its number, or the one before it when it is filtered out', () => {
    const buffer = new LogBuffer();
    buffer.append([line(1), line(2, 'a'), line(3, 'b'), line(4, 'b')]);
    buffer.setFilter('b');
    assert.equal(buffer.indexOf(3), 1);
    assert.equal(buffer.indexOf(2), 0);
    assert.equal(buffer.indexOf(99), 2);
    assert.equal(new LogBuffer().indexOf(1), -1);
  });

  it('knows the first error', () => {
    const buffer = new LogBuffer();
    buffer.append([line(1), line(2, 'a', 'error'), line(3, 'a', 'error')]);
    assert.equal(buffer.firstError()?.n, 2);
  });
});

describe('links to lines', () => {
  it('reads a line and the start of a range, and nothing else', () => {
    assert.equal(lineOfHash('#L120'), 120);
    assert.equal(lineOfHash('#L10-L20'), 10);
    assert.equal(lineOfHash('#L'), undefined);
    assert.equal(lineOfHash('#main'), undefined);
  });
});
