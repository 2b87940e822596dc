import Anser from 'anser';

/** A piece of a log line in one style: text and CSS classes, never markup. */
export interface AnsiPart {
  text: string;
  classes: string;
}

/** Longer lines are cut for the page; the download has them whole. */
export const maxLineLength = 10_000;

const named = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
type Colour = (typeof named)[number];

/** Operating system commands (titles, links) and other string sequences: their payload is not text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences are made of them
const stringSequence = /\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g;
/** Control sequences other than colours: cursor movement, erasing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences are made of them
const notColour = /\u001b\[[0-9;?<=>]*[ -/]*[@-ln-~]|\u001b[^[]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const control = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f]/g;
/** Bidirectional overrides make text read differently from what it is. */
const invisible = /[\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** A progress bar rewrites its line with `\r`: the last text written is what a terminal would show. */
function lastWritten(text: string): string {
  if (!text.includes('\r')) return text;
  const written = text.split('\r').filter((part) => part !== '');
  return written.at(-1) ?? '';
}

function applyBackspaces(text: string): string {
  if (!text.includes('\b')) return text;
  const kept: string[] = [];
  for (const character of text) {
    if (character === '\b') kept.pop();
    else kept.push(character);
  }
  return kept.join('');
}

function controlSymbol(character: string): string {
  const code = character.charCodeAt(0);
  return code === 0x7f ? '\u2421' : String.fromCharCode(0x2400 + code);
}

/** The nearest named colour of an RGB triple, so that the theme's own contrast holds for all 16 million. */
function nearest(triple: string): Colour | undefined {
  const [r = 0, g = 0, b = 0] = triple.split(',').map((part) => Number.parseInt(part, 10));
  const max = Math.max(r, g, b);
  if (max - Math.min(r, g, b) < 40) return undefined;
  const high = (channel: number) => channel > max * 0.6;
  const index = (high(r) ? 1 : 0) + (high(g) ? 2 : 0) + (high(b) ? 4 : 0);
  return named[index];
}

/** The 256-colour palette's cube of 6 steps for each channel; the greys beyond it have no hue. */
function paletteTriple(name: string): string {
  const index = Number.parseInt(name.replace('palette-', ''), 10) - 16;
  if (!(index >= 0 && index < 216)) return '';
  return [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map((step) => step * 51).join();
}

function colourOf(name: string | null, truecolor: string | null): Colour | undefined {
  if (!name) return undefined;
  const plain = name.replace(/^ansi-(?:bright-)?/, '');
  if (named.includes(plain as Colour)) return plain as Colour;
  return nearest(truecolor ?? paletteTriple(plain));
}

function classesOf(part: Anser.AnserJsonEntry): string {
  const classes: string[] = part.decorations.map((decoration) => `ansi-${decoration}`);
  const background = colourOf(part.bg, part.bg_truecolor);
  const foreground = colourOf(part.fg, part.fg_truecolor);
  // Tenants' choices of text on background need not be readable; ours is.
  if (background && background !== 'black') classes.push(`ansi-bg-${background}`);
  else if (foreground) classes.push(`ansi-${foreground}`);
  return classes.join(' ');
}

/** Text as a terminal would leave it: without sequences that move the cursor, with control characters visible. */
function visible(text: string): string {
  const settled = applyBackspaces(lastWritten(text.replace(stringSequence, '').replace(notColour, '')));
  return settled.replace(control, controlSymbol).replace(invisible, '\ufffd');
}

function cut(text: string): string {
  if (text.length <= maxLineLength) return text;
  const more = (text.length - maxLineLength).toLocaleString('en');
  return `${text.slice(0, maxLineLength)} … ${more} more characters are in the download`;
}

/** One log line as styled pieces of text. */
export function parseAnsi(line: string): AnsiPart[] {
  const text = cut(visible(line));
  if (!text.includes('\u001b')) return text === '' ? [] : [{ text, classes: '' }];
  const parts = Anser.ansiToJson(text, { use_classes: true, remove_empty: true });
  return parts.map((part) => ({
    text: part.content.replaceAll('\u001b', '\u241b'),
    classes: classesOf(part),
  }));
}
