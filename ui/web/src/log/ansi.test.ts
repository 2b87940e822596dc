import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxLineLength, parseAnsi } from './ansi.ts';

const text = (line: string) =>
  parseAnsi(line)
    .map((part) => part.text)
    .join('');

describe('colours in a log line', () => {
  it('leaves plain text alone', () => {
    assert.deepEqual(parseAnsi('added 50 packages'), [{ text: 'added 50 packages', classes: '' }]);
    assert.deepEqual(parseAnsi(''), []);
  });

  it('gives named colours and decorations as classes', () => {
    assert.deepEqual(parseAnsi('\u001b[1;31merror\u001b[0m in x'), [
      { text: 'error', classes: 'ansi-bold ansi-red' },
      { text: ' in x', classes: '' },
    ]);
    assert.equal(parseAnsi('\u001b[92mok\u001b[0m')[0]?.classes, 'ansi-green');
  });

  it('maps 256 and true colours to the nearest named one, and greys to none', () => {
    assert.equal(parseAnsi('\u001b[38;5;196mx')[0]?.classes, 'ansi-red');
    assert.equal(parseAnsi('\u001b[38;2;20;220;40mx')[0]?.classes, 'ansi-green');
    assert.equal(parseAnsi('\u001b[38;2;120;120;124mx')[0]?.classes, '');
  });

  it('lets a background decide alone, so that no text becomes unreadable', () => {
    assert.equal(parseAnsi('\u001b[31;41mx')[0]?.classes, 'ansi-bg-red');
  });

  it('keeps markup as text', () => {
    assert.equal(
      text('<img src=x onerror=alert(1)>\u001b[31m<b>\u001b[0m'),
      '<img src=x onerror=alert(1)><b>',
    );
  });
});

describe('control characters in a log line', () => {
  it('shows what a progress bar wrote last', () => {
    assert.equal(text('10%\r50%\r100%'), '100%');
    assert.equal(text('100%\r'), '100%');
    assert.equal(text('abc\b\bX'), 'aX');
  });

  it('drops cursor movements, titles and links, and keeps the text of a link', () => {
    assert.equal(text('\u001b[2K\u001b[1Gdone\u001b[?25h'), 'done');
    assert.equal(text('\u001b]0;title\u0007x'), 'x');
    assert.equal(text('\u001b]8;;javascript:alert(1)\u001b\\link\u001b]8;;\u001b\\'), 'link');
  });

  it('makes the rest visible and disarms direction overrides', () => {
    assert.equal(text('a\u0000b\u0007\u007f'), 'a\u2400b\u2407\u2421');
    assert.equal(text('a\u202eb'), 'a\ufffdb');
  });

  it('cuts an endless line and says how much is missing', () => {
    const shown = text('x'.repeat(maxLineLength + 1234));
    assert.ok(shown.length < maxLineLength + 60);
    assert.match(shown, /1,234 more characters/);
  });
});
