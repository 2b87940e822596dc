/**
 * A fast way to write and read the plain part of YAML that manifests are made of: block maps and lists of strings, numbers
 * and booleans. Anything else is left to the library; `plain-yaml.test.ts` holds both to saying the same.
 */

type Scalar = (text: string) => string | undefined;

/** Words that some YAML version takes for something else than text. */
const notText = /^(?:true|false|null|yes|no|on|off|y|n|e-?\d+)$/i;
const surelyPlain = /^[A-Za-z](?:[A-Za-z0-9_./@:-]*[A-Za-z0-9])?$/;
const isSurelyPlain = (text: string) => surelyPlain.test(text) && !notText.test(text);
const maxKeyLength = 128;
const maxDepth = 20;

/** `quoted` says how text that isn't surely plain stands in YAML. `undefined`: the library has to do it. */
export function writePlainYaml(data: object, quoted: Scalar): string | undefined {
  const lines: string[] = [];

  function scalar(value: unknown): string | undefined {
    if (typeof value === 'boolean') return String(value);
    if (typeof value === 'number')
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : undefined;
    if (typeof value !== 'string') return undefined;
    return isSurelyPlain(value) ? value : quoted(value);
  }

  /** What stands behind `key:` or `-`; longer things go on the lines below. */
  function member(head: string, value: unknown, indent: string, depth: number): boolean {
    if (typeof value !== 'object' || value === null) {
      const text = scalar(value);
      return text !== undefined && lines.push(`${head} ${text}`) > 0;
    }
    if (depth > maxDepth) return false;
    if (Array.isArray(value)) {
      if (value.length === 0) return lines.push(`${head} []`) > 0;
      lines.push(head);
      return list(value, indent, depth);
    }
    if (Object.keys(value).length === 0) return lines.push(`${head} {}`) > 0;
    lines.push(head);
    return map(value, indent, depth);
  }

  function map(value: object, indent: string, depth: number): boolean {
    return Object.entries(value).every(([key, inner]) => {
      if (key.length > maxKeyLength || !isSurelyPlain(key)) return false;
      return member(`${indent}${key}:`, inner, `${indent}  `, depth + 1);
    });
  }

  function list(values: readonly unknown[], indent: string, depth: number): boolean {
    return values.every((value) => {
      if (Array.isArray(value)) return false;
      if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) {
        return member(`${indent}-`, value, indent, depth);
      }
      const first = lines.length;
      if (!map(value, `${indent}  `, depth + 1)) return false;
      // The first line of a map in a list stands behind the dash.
      lines[first] = `${indent}- ${(lines[first] ?? '').slice(indent.length + 2)}`;
      return true;
    });
  }

  if (Array.isArray(data) || Object.keys(data).length === 0 || !map(data, '', 0)) return undefined;
  return `${lines.join('\n')}\n`;
}

/**
 * The data of a text that `writePlainYaml` would write exactly so. The guess is proven by writing it again, so a text
 * that is anything else gives `undefined`.
 */
export function readPlainYaml(text: string, quoted: Scalar): object | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '') return undefined;
  const data = guess(lines);
  return data !== undefined && writePlainYaml(data, quoted) === text ? data : undefined;
}

const line = /^( *)(- )?(?:([^\s"'#&*!|>%@`{}[\]-][^\s"]*?):(?: (.+))?|(.+))$/;

type Container = Record<string, unknown> | unknown[];
interface Open {
  indent: number;
  container: Container;
}

function guess(lines: readonly string[]): object | undefined {
  const root: Record<string, unknown> = {};
  const open: Open[] = [{ indent: 0, container: root }];
  for (const [index, text] of lines.entries()) {
    const match = line.exec(text);
    if (!match || !place(open, match, nextOf(lines[index + 1]))) return undefined;
  }
  return root;
}

function nextOf(text = ''): { indent: number; isItem: boolean } {
  const indent = text.length - text.trimStart().length;
  return { indent, isItem: text.startsWith('- ', indent) };
}

function place(open: Open[], match: RegExpExecArray, next: { indent: number; isItem: boolean }): boolean {
  const [, spaces = '', dash, key, value, bare] = match;
  while ((open.at(-1)?.indent ?? 0) > spaces.length) open.pop();
  let at = open.at(-1);
  if (at?.indent !== spaces.length) return false;
  let indent = spaces.length;
  if (dash !== undefined) {
    if (!Array.isArray(at.container)) return false;
    if (bare !== undefined) return at.container.push(scalarOf(bare)) > 0;
    const item: Record<string, unknown> = {};
    at.container.push(item);
    indent += 2;
    at = { indent, container: item };
    open.push(at);
  }
  if (key === undefined || Array.isArray(at.container)) return false;
  if (value !== undefined) at.container[key] = scalarOf(value);
  else {
    const inner: Container = next.isItem ? [] : {};
    at.container[key] = inner;
    open.push({ indent: indent + 2, container: inner });
  }
  return true;
}

function scalarOf(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  if (text === '{}') return {};
  if (text === '[]') return [];
  if (/^-?\d+$/.test(text)) return Number(text);
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text);
  } catch {
    // Writing it again shows that it is something else.
    return text;
  }
}
