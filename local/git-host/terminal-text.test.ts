import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { terminalLine } from './terminal-text.ts';

const esc = '\u001b';

describe('a line for the terminal', () => {
  for (const [what, text, expected] of [
    ['plain text', 'añ 漢 🚢\tx', 'añ 漢 🚢\tx'],
    ['colours, and ends them', `${esc}[1;31mred`, `${esc}[1;31mred${esc}[0m`],
  ]) {
    it(`keeps ${what}`, () => {
      assert.equal(terminalLine(text!), expected);
    });
  }

  for (const [what, text, expected] of [
    ['cursor movement', `a${esc}[2Ab${esc}[2Jc${esc}[?25ld`, 'abcd'],
    ['window titles and links', `a${esc}]0;title\u0007b${esc}]8;;http://x${esc}\\c`, 'abc'],
    ['device strings', `a${esc}P1$r${esc}\\b${esc}_x${esc}\\c`, 'abc'],
    ['resets and charset switches', `a${esc}cb${esc}(0c`, 'abc'],
    ['a lone or unfinished escape', `a${esc}[31;`, 'a'],
    ['line breaks, bells and backspaces', 'a\r\nb\u0007c\b\u0000d', 'abcd'],
    ['one-byte control sequences', 'a\u009b2Jb', 'a2Jb'],
    ['text that runs backwards', 'a\u202eb\u2066c', 'abc'],
    ['an escape that removal would put together', `${esc}${esc}[2J[31mx`, '[31mx'],
  ]) {
    it(`removes ${what}`, () => {
      const line = terminalLine(text!);

      assert.equal(line, expected);
      assert.equal(line.includes(esc), false);
    });
  }

  it('cuts a long line, never inside a colour code', () => {
    const line = terminalLine(`${'x'.repeat(1_998)}${esc}[31mred`);

    assert.equal(line, `${'x'.repeat(1_998)} …`);
  });
});
