/** A Dockerfile that names an image and does nothing with it. */
export interface SingleFrom {
  /** As written. */
  image: string;
  /** Of `--platform=…`. */
  platform?: string | undefined;
  /** Where the `FROM` begins; both from 1. */
  line: number;
  column: number;
}

interface Instruction {
  text: string;
  line: number;
  column: number;
}

const directive = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i;

/** The escape character, which only directives at the very top may change. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = directive.exec(line.trim()) ?? [];
    if (name === undefined) return '\\';
    if (name.toLowerCase() === 'escape') return value === '`' ? '`' : '\\';
  }
  return '\\';
}

/** Instructions with their continued lines joined; comments and blank lines between them count for nothing. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.replace(/^\u{feff}/u, '').split(/\r?\n/);
  const escapeCharacter = escapeOf(lines);
  const instructions: Instruction[] = [];
  let open: Instruction | undefined;
  for (const [index, line] of lines.entries()) {
    const bare = line.trim();
    if (bare === '' || bare.startsWith('#')) continue;
    const continues = bare.endsWith(escapeCharacter);
    const part = continues ? bare.slice(0, -1) : bare;
    if (open) open.text += ` ${part}`;
    else open = { text: part, line: index + 1, column: line.length - line.trimStart().length + 1 };
    if (continues) continue;
    instructions.push(open);
    open = undefined;
  }
  return open ? [...instructions, open] : instructions;
}

/** `undefined`: there is something to build, or a variable to fill in, and a build is what does that. */
export function singleFrom(dockerfile: string): SingleFrom | undefined {
  const instructions = instructionsOf(dockerfile);
  const [first] = instructions;
  if (!first || instructions.length !== 1) return undefined;
  const words = first.text.trim().split(/\s+/);
  if (words.shift()?.toLowerCase() !== 'from' || first.text.includes('$')) return undefined;
  let platform: string | undefined;
  while (words[0]?.startsWith('--')) {
    const [, value] = /^--platform=(\S+)$/.exec(words.shift() ?? '') ?? [];
    if (value === undefined || platform !== undefined) return undefined;
    platform = value;
  }
  const [image, as, name, ...more] = words;
  const isNamed = as?.toLowerCase() === 'as' && name !== undefined && more.length === 0;
  if (image === undefined || image.toLowerCase() === 'scratch' || (as !== undefined && !isNamed))
    return undefined;
  return { image, platform, line: first.line, column: first.column };
}
