import { readFileSync } from 'node:fs';
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';

const maxBytes = 1_000_000;

/** `undefined` if it may be missing and is. Throws `config_invalid`. */
export function readYamlText(file: string, options: { mayBeMissing: boolean }): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length <= maxBytes) return text;
  } catch (cause) {
    // Of a data folder that cannot be one, its own check says so.
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
    if (options.mayBeMissing && isMissing) return undefined;
    throw new TowlineError('config_invalid', `${file} cannot be read`, {
      cause,
      hint: 'TOWLINE_CONFIG names the file with the rules of the installation',
    });
  }
  throw new TowlineError('config_invalid', `${file} is larger than ${maxBytes} bytes`);
}

/** More that may be wrong with what the schema takes: the path of the value, and why. */
export type Objection = { path: (string | number)[]; message: string } | undefined;

/** Throws `config_invalid` with the place of the first mistake; `file` is for messages. */
export function parseYaml<T extends z.ZodType>(
  text: string,
  file: string,
  schema: T,
  objection: (value: z.output<T>) => Objection = () => undefined,
): z.output<T> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fail = (message: string, offset: number): never => {
    const { line, col } = lines.linePos(offset);
    throw new TowlineError('config_invalid', message.replace(/\s+/g, ' '), {
      place: { file, line, column: col },
    });
  };
  const [problem] = document.errors;
  if (problem) return fail(problem.message, problem.pos[0]);
  const result = schema.safeParse(document.toJS({ maxAliasCount: 20 }) ?? {});
  if (result.success) {
    const found = objection(result.data);
    if (found === undefined) return result.data;
    return fail(`${found.path.join('.')}: ${found.message}`, offsetOf(document, found.path, undefined));
  }
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map((part) => (typeof part === 'symbol' ? String(part) : part));
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const where = [...path, ...(unknown === undefined ? [] : [unknown])].join('.');
  const message = unknown === undefined ? issue?.message : 'there is no such setting';
  return fail(`${where === '' ? '' : `${where}: `}${message}`, offsetOf(document, path, unknown));
}

/** Of a key that nobody knows, or of a value, or of the nearest thing around it that is there. */
function offsetOf(document: Document, path: (string | number)[], key: string | undefined): number {
  const around = path.length === 0 ? document.contents : document.getIn(path, true);
  if (key !== undefined && isMap(around)) {
    const pair = around.items.find((item) => isPair(item) && String(item.key) === key);
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
