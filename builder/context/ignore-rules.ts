import { type SourcePlace, TowlineError } from '../../core/errors.ts';

/** What of a build context is left out, as Docker reads `.dockerignore`. */
export interface IgnoreRules {
  /** For a path relative to the context, `/` as separator. */
  drops(path: string): boolean;
  /** Whether a folder that is dropped is dropped with all below it, so that nobody needs to look. */
  readonly dropsWholeFolders: boolean;
}

interface Rule {
  negated: boolean;
  matcher: Matcher;
}

type Place = SourcePlace & { line: number };

/** One thing that a pattern matches: a character's test, or any number of characters. */
type Token =
  | { type: 'one'; test: (character: string) => boolean }
  /** `*`: anything but a slash. */
  | { type: 'star' }
  /** `**` at the end. */
  | { type: 'rest' }
  /** `**` elsewhere: nothing, or … */
  | { type: 'folders' }
  /** … whatever ends with a slash. */
  | { type: 'inside' };

const maxRules = 500;
const maxPattern = 500;
const maxWildcards = 10;
/** Steps of matching for one context: some seconds of a processor at most. */
const maxSteps = 100_000_000;

/**
 * Reads a `.dockerignore`. The last rule that matches a path or a folder above it decides; a leading `!` takes back in.
 * Throws `build_failed` with the place. Rules and paths come from strangers, and regular expressions of them could take
 * for ever: here matching takes time in proportion to both, and `context_too_large` is thrown when it adds up.
 */
export function parseIgnoreRules(text: string, file: string): IgnoreRules {
  const rules: Rule[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const place = { file, line: index + 1 };
    const rule = line.startsWith('#') ? undefined : parseRule(line.trim(), place);
    if (rule) rules.push(rule);
    if (rules.length > maxRules) throw refusal(place, `there are more than ${maxRules} rules`);
  }
  let steps = 0;
  return {
    dropsWholeFolders: !rules.some(({ negated }) => negated),
    drops(path) {
      const characters = [...path];
      const last = rules.findLast(({ matcher }) => {
        const isMatch = matcher.matchesPathOrParent(characters);
        steps += matcher.steps;
        return isMatch;
      });
      if (steps > maxSteps) {
        throw new TowlineError('context_too_large', 'there are too many files for these rules', {
          place: { file },
          hint: 'write fewer and simpler rules, or leave the files out of the repository',
        });
      }
      return last !== undefined && !last.negated;
    },
  };
}

function parseRule(line: string, place: Place): Rule | undefined {
  if (line === '') return undefined;
  const negated = line.startsWith('!');
  const pattern = cleanPattern((negated ? line.slice(1) : line).trim());
  if (pattern === '') throw refusal(place, '"!" stands alone');
  if (pattern.length > maxPattern) throw refusal(place, `a pattern is longer than ${maxPattern} characters`);
  const tokens = tokenize(pattern, place);
  if (tokens.filter(({ type }) => type !== 'one' && type !== 'inside').length > maxWildcards) {
    throw refusal(place, `a pattern has more than ${maxWildcards} wildcards`);
  }
  return { negated, matcher: new Matcher(tokens) };
}

function refusal(place: Place, message: string): TowlineError {
  return new TowlineError('build_failed', message, { place });
}

/** As Go's filepath.Clean, without the leading slash: the context is the root. */
function cleanPattern(text: string): string {
  if (text === '') return '';
  const kept: string[] = [];
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') kept.push(segment);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (!text.startsWith('/')) kept.push('..');
  }
  return kept.length === 0 ? '.' : kept.join('/');
}

function tokenize(pattern: string, place: Place): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const [token, length] = nextToken(pattern, at, place);
    tokens.push(token);
    if (token.type === 'folders') tokens.push({ type: 'inside' });
    at += length;
  }
  return tokens;
}

function nextToken(pattern: string, at: number, place: Place): [Token, number] {
  const character = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
  if (pattern.startsWith('**', at)) {
    const length = pattern[at + 2] === '/' ? 3 : 2;
    return [{ type: at + length === pattern.length ? 'rest' : 'folders' }, length];
  }
  if (character === '*') return [{ type: 'star' }, 1];
  if (character === '?') return [{ type: 'one', test: (other) => other !== '/' }, 1];
  if (character === '[') return readClass(pattern, at, place);
  const escaped = character === '\\' ? pattern.codePointAt(at + 1) : undefined;
  if (escaped === undefined) return [literal(character), character.length];
  const meant = String.fromCodePoint(escaped);
  return [literal(meant), 1 + meant.length];
}

const literal = (character: string): Token => ({ type: 'one', test: (other) => other === character });

/** `[a-z]`, `[^a-z]`; unlike `?` it may match a slash, as in Go. */
function readClass(pattern: string, at: number, place: Place): [Token, number] {
  const end = pattern.indexOf(']', at + 2);
  if (end < 0) throw refusal(place, 'a "[" has no "]"');
  const inside = pattern.slice(at + 1, end);
  const excludes = inside.startsWith('^');
  const characters = [...(excludes ? inside.slice(1) : inside)];
  const ranges: [string, string][] = [];
  for (let index = 0; index < characters.length; index += 1) {
    const from = characters[index] ?? '';
    const to = characters[index + 1] === '-' ? characters[index + 2] : undefined;
    ranges.push([from, to ?? from]);
    if (to !== undefined) index += 2;
  }
  const isIn = (other: string) => ranges.some(([from, to]) => other >= from && other <= to);
  return [{ type: 'one', test: (other) => isIn(other) !== excludes }, end + 1 - at];
}

/** Goes through a path once, with all the positions in the pattern that it may have come to. */
class Matcher {
  /** What the last match took. */
  steps = 0;
  readonly #tokens: readonly Token[];
  #reached: number[] = [];
  #next: number[] = [];
  /** By position: the round in which it was last reached. */
  readonly #rounds: Uint32Array;
  #round = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#rounds = new Uint32Array(tokens.length + 1);
  }

  matchesPathOrParent(path: readonly string[]): boolean {
    this.steps = 1;
    this.#begin();
    this.#reach(0);
    for (const character of path) {
      // A folder above the path.
      if (character === '/' && this.#isAtEnd()) return true;
      [this.#reached, this.#next] = [this.#next, this.#reached];
      this.#begin();
      for (const index of this.#reached) this.#step(index, character);
      this.steps += this.#reached.length;
      if (this.#next.length === 0) return false;
    }
    return this.#isAtEnd();
  }

  #begin(): void {
    this.#next.length = 0;
    this.#round += 1;
    if (this.#round < 0xffff_ffff) return;
    this.#rounds.fill(0);
    this.#round = 1;
  }

  #isAtEnd(): boolean {
    return this.#rounds[this.#tokens.length] === this.#round;
  }

  /** Adds a position, and those behind what may match nothing. */
  #reach(index: number): void {
    if (this.#rounds[index] === this.#round) return;
    this.#rounds[index] = this.#round;
    this.#next.push(index);
    const type = this.#tokens[index]?.type;
    if (type === 'star' || type === 'rest') this.#reach(index + 1);
    if (type === 'folders') {
      this.#stay(index + 1);
      this.#reach(index + 2);
    }
  }

  #stay(index: number): void {
    if (this.#rounds[index] === this.#round) return;
    this.#rounds[index] = this.#round;
    this.#next.push(index);
  }

  #step(index: number, character: string): void {
    const token = this.#tokens[index];
    if (!token || token.type === 'folders') return;
    if (token.type === 'one') {
      if (token.test(character)) this.#reach(index + 1);
    } else if (token.type === 'inside') {
      this.#stay(index);
      if (character === '/') this.#reach(index + 1);
    } else if (token.type === 'rest' || character !== '/') this.#reach(index);
  }
}
