import type { LogLine } from '../../core/deploy.ts';
import { oneLine } from '../../core/one-line.ts';

const longestRun = (text: string) => Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));

/** A block of Markdown that shows the text as it is: nothing in it ends the block. */
export function fenced(text: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}text\n${text}\n${fence}`;
}

/** The same within a line. */
export function quoted(text: string): string {
  const line = oneLine(text, 500);
  const ticks = '`'.repeat(longestRun(line) + 1);
  return `${ticks} ${line} ${ticks}`.replaceAll('|', '\\|');
}

/** `0.8 s`, `12.3 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Lines that show why it failed: errors, and what was printed just before the last of them. */
function failingPart(lines: readonly LogLine[]): LogLine[] {
  const last = lines.findLastIndex(({ kind }) => kind === 'error');
  return last < 0 ? [] : lines.slice(Math.max(0, last - 30), last + 1);
}

/** The newest lines that fit, oldest first. */
function tail(texts: readonly string[], maxLength: number): string {
  let length = 0;
  let start = texts.length;
  while (start > 0 && length + (texts[start - 1]?.length ?? 0) + 1 <= maxLength) {
    start -= 1;
    length += (texts[start]?.length ?? 0) + 1;
  }
  return texts.slice(start).join('\n');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are written with them
const ansi = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
const printable = (text: string) => text.replace(ansi, '').replace(/[^\P{Cc}\t]/gu, '');

/** A log for a check: what failed first, then its end, in Markdown of `maxLength` characters at most; `''` for no lines. */
export function logText(lines: readonly LogLine[], maxLength = 60_000): string {
  if (lines.length === 0) return '';
  const texts = (some: readonly LogLine[]) => some.map(({ text }) => printable(text));
  const failing = failingPart(lines);
  const head =
    failing.length === 0 ? '' : `**What failed**\n\n${fenced(tail(texts(failing), maxLength / 4))}\n\n`;
  // Fences and titles take their part too.
  const rest = tail(texts(lines), Math.floor(maxLength / 2));
  const body = `${head}**The log's end**\n\n${fenced(rest)}`;
  return body.length <= maxLength ? body : body.slice(0, maxLength);
}
