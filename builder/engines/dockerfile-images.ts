import { TowlineError } from '../../core/errors.ts';

/** An image that a Dockerfile names, with its variables filled in. */
export interface UsedImage {
  image: string;
  /** From 1. */
  line: number;
}

interface Instruction {
  /** In lower case. */
  name: string;
  /** Names without their dashes; a flag may be there more than once. */
  flags: [name: string, value: string][];
  args: string;
  line: number;
}

/** White space as the builder's language knows it, which is not JavaScript's. */
const space = '[\\t\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const outerSpace = new RegExp(`^${space}+|${space}+$`, 'gu');
const commands = new Set(['run', 'copy', 'add']);

/**
 * All images besides the build's own stages, of FROM, COPY --from and RUN --mount=from. Lines of here-documents are
 * read as instructions too: rather an image too many than one that is missed. Throws `policy_refused` for what cannot
 * be told without building.
 */
export function imagesOf(dockerfile: string, buildArgs: Readonly<Record<string, string>>): UsedImage[] {
  const variables = new Map<string, string>();
  const stages = new Set(['scratch']);
  const images: UsedImage[] = [];
  let hasBegun = false;
  const use = (image: string, line: number) => {
    if (!stages.has(image.toLowerCase())) images.push({ image, line });
  };
  for (const instruction of instructionsOf(dockerfile)) {
    const { name, line } = instruction;
    if (name === 'arg' && !hasBegun) declare(instruction.args, variables, buildArgs);
    for (const image of namedByFlags(instruction)) use(image, line);
    if (name !== 'from') continue;
    hasBegun = true;
    const from = fromOf(instruction, variables);
    if (from !== undefined) use(from.image, line);
    if (from?.stage !== undefined) stages.add(from.stage.toLowerCase());
  }
  return images;
}

function unclear(what: string, line: number): TowlineError {
  return new TowlineError('policy_refused', `which image is used cannot be told: ${what}`, {
    place: { file: 'Dockerfile', line },
    hint: 'write the name out',
  });
}

function trimmed(text: string): string {
  return text.replace(outerSpace, '');
}

/** The escape character, which only directives at the very top may change. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(trimmed(line)) ?? [];
    if (name === undefined) return '\\';
    if (name.toLowerCase() === 'escape') return value === '`' ? '`' : '\\';
  }
  return '\\';
}

function instructionsOf(dockerfile: string): Instruction[] {
  const lines = dockerfile.split('\n');
  const escaping = escapeOf(lines);
  const continued = new RegExp(`\\${escaping}[ \\t\\r]*$`);
  const doubled = new RegExp(`\\${escaping}\\${escaping}[ \\t\\r]*$`);
  const instructions: Instruction[] = [];
  let parts: string[] = [];
  let start = 0;
  const close = () => {
    const text = trimmed(parts.join(''));
    if (text !== '') instructions.push(parseInstruction(text, start));
    parts = [];
  };
  for (const [index, line] of lines.entries()) {
    const bare = trimmed(line);
    if (bare === '' || bare.startsWith('#')) continue;
    if (doubled.test(line)) throw unclear('a line ends with more than one escape character', index + 1);
    if (parts.length === 0) start = index + 1;
    parts.push(line.replace(continued, ''));
    if (!continued.test(line)) close();
  }
  close();
  return instructions;
}

function parseInstruction(text: string, line: number): Instruction {
  const [word = ''] = text.split(/[\t\v\f\r ]/, 1);
  const name = word.toLowerCase();
  const rest = trimmed(text.slice(word.length));
  if (name === 'onbuild') return parseInstruction(rest, line);
  const { words, args } = flagWords(rest);
  const flags = words.map((flag): [string, string] => {
    const equals = flag.indexOf('=');
    return equals === -1 ? [flag.slice(2), ''] : [flag.slice(2, equals), flag.slice(equals + 1)];
  });
  return { name, flags, args, line };
}

/** The leading words that begin with two dashes, without quotes and escapes; and what comes after them. */
function flagWords(text: string): { words: string[]; args: string } {
  const words: string[] = [];
  let rest = text;
  for (;;) {
    const [whole = ''] =
      /^(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"?|'(?:\\[\s\S]|[^'\\])*'?|[^\s\\"'])+/u.exec(rest) ?? [];
    const word = whole.replace(/\\([\s\S])|["']/gu, (_, escaped: string | undefined) => escaped ?? '');
    if (!word.startsWith('--') || word === '--') return { words, args: rest };
    words.push(word);
    rest = trimmed(rest.slice(whole.length));
  }
}

/** Delimiters that end a here-document without ending, or continuing, anything else. */
function requirePlainHeredocs({ args, line }: Instruction): void {
  for (const [, delimiter = ''] of args.matchAll(/<<-?\s*("[^"]*"?|'[^']*'?|\S*)/g)) {
    if (/[\\`]/.test(delimiter)) throw unclear('a here-document ends with an escape character', line);
  }
}

function namedByFlags(instruction: Instruction): string[] {
  const { name: command, flags, line } = instruction;
  if (!commands.has(command)) return [];
  requirePlainHeredocs(instruction);
  const named: string[] = [];
  for (const [name, value] of flags) {
    if (name.toLowerCase() === 'from') named.push(value);
    if (name.toLowerCase() !== 'mount') continue;
    for (const field of value.replaceAll('"', '').split(',')) {
      const [, image] = /^\s*from\s*=(.*)$/i.exec(field) ?? [];
      if (image !== undefined) named.push(image.trim());
    }
  }
  for (const image of named) if (/[$\\`]/.test(image)) throw unclear(image.slice(0, 200), line);
  return named.filter((image) => image !== '' && !/^\d+$/.test(image));
}

/** `undefined`: it is no FROM that the builder would take. */
function fromOf(
  { args, line }: Instruction,
  variables: ReadonlyMap<string, string>,
): { image: string; stage: string | undefined } | undefined {
  const [image, as, stage, ...more] = args.split(/[\t\v\f\r ]+/);
  if (image === undefined || image === '' || more.length > 0) return undefined;
  if (as !== undefined && (as.toLowerCase() !== 'as' || stage === undefined)) return undefined;
  return { image: filledIn(image, variables, line), stage };
}

/** Filled in by the builder, whatever a Dockerfile says. */
const predefined = /^(?:BUILD|TARGET)[A-Z]+$/;
const assignment = /^([A-Za-z_]\w*)(?:=([\s\S]*))?$/u;

function declare(
  args: string,
  variables: Map<string, string>,
  given: Readonly<Record<string, string>>,
): void {
  for (const [word] of args.matchAll(/(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s"'\\])+/gu)) {
    const [, name, value] = assignment.exec(word) ?? [];
    if (name === undefined || predefined.test(name)) continue;
    const text = Object.hasOwn(given, name)
      ? given[name]
      : value === undefined
        ? undefined
        : expanded(value, variables);
    if (text === undefined) variables.delete(name);
    else variables.set(name, text);
  }
}

/** Throws for variables that are not known before the build. */
function filledIn(text: string, variables: ReadonlyMap<string, string>, line: number): string {
  const image = expanded(text, variables);
  if (image === undefined || image === '') throw unclear(text.slice(0, 200), line);
  return image;
}

/** With variables and without quotes; `undefined`: not to be told. */
function expanded(text: string, variables: ReadonlyMap<string, string>): string | undefined {
  let isKnown = true;
  const bare = /^"([^"]*)"$|^'([^'$]*)'$/.exec(text);
  const filled = (bare?.[1] ?? bare?.[2] ?? text).replace(
    /\$(?:(\w+)|\{(\w+)(?::-([^${}]*))?\})/g,
    (_, plain: string | undefined, braced: string | undefined, fallback: string | undefined) => {
      const value = variables.get(plain ?? braced ?? '') || fallback;
      if (value === undefined) isKnown = false;
      return value ?? '';
    },
  );
  return isKnown && !/[$\\`"']/.test(filled) ? filled : undefined;
}
