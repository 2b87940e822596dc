import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { defaultEnvironment } from '../core/environments.ts';
import { TowlineError } from '../core/errors.ts';
import { environmentList, PolicyConfig, SecretRules } from '../manifest-writer/index.ts';

/** What the supervisor of one machine can run; clusters have others. */
const runnable = 'openfaas';

const Installation = z.strictObject({
  /** What functions become. */
  target: z
    .enum(['openfaas', 'knative', 'kubernetes'])
    .default(runnable)
    .refine(
      (target) => target === runnable,
      `on one machine functions are run from "${runnable}" manifests only`,
    ),
  policy: PolicyConfig.optional(),
  secrets: SecretRules.optional(),
  environments: environmentList().default([]),
});
export type Installation = z.output<typeof Installation>;

const maxBytes = 1_000_000;

/** Where the rules are, and who they must not be in the way of. */
export interface InstallationPlace {
  /** The file; without it the default one, which need not be there. */
  path: string | undefined;
  defaultPath: string;
  /** The first owner: no environment can be called so. */
  owner: string;
}

/** The rules of this installation from one YAML file. Throws `config_invalid` with the place of the first mistake. */
export function readInstallation({ path, defaultPath, owner }: InstallationPlace): Installation {
  const file = path ?? defaultPath;
  const text = readText(file, path === undefined);
  return text === undefined
    ? Installation.parse({})
    : parseInstallation(text, relative('', file) || file, owner);
}

function readText(file: string, mayBeMissing: boolean): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length <= maxBytes) return text;
  } catch (cause) {
    // Of a data folder that cannot be one, its own check says so.
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
    if (mayBeMissing && isMissing) return undefined;
    throw new TowlineError('config_invalid', `${file} cannot be read`, {
      cause,
      hint: 'TOWLINE_CONFIG names the file with the rules of the installation',
    });
  }
  throw new TowlineError('config_invalid', `${file} is larger than ${maxBytes} bytes`);
}

/** `file` is for messages. Throws `config_invalid`. */
export function parseInstallation(text: string, file: string, owner?: string): Installation {
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
  const result = Installation.safeParse(document.toJS({ maxAliasCount: 20 }) ?? {});
  if (result.success) {
    const taken = result.data.environments.findIndex(
      ({ name }) => name === owner && name !== defaultEnvironment,
    );
    if (taken === -1) return result.data;
    const path = ['environments', taken, 'name'];
    return fail(
      `${path.join('.')}: "${owner}" is the first owner, below whose name others would have their hosts`,
      offsetOf(document, path, undefined),
    );
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
