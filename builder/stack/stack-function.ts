import type { DeployCause } from '../../core/deploy.ts';
import type { SourcePlace } from '../../core/errors.ts';
import type { Resources } from '../../core/function-spec.ts';
import { whyNotFunction } from '../../core/names.ts';
import { plainRelativePath } from '../context/repository-path.ts';
import { readEnvironmentFiles } from './environment-files.ts';
import { quoted } from './findings.ts';
import type { StackFunction } from './stack.ts';
import type { YamlSource } from './yaml-source.ts';
import { type Entry, readBoolean, readEntries, readText, readTextList, readTextMap } from './yaml-values.ts';

export interface FunctionContext {
  /** The repository's root, a real path. */
  root: string;
  owner: string;
  languages: string[];
  source: YamlSource;
}

/** One function while it is read: what it will be, and what is still to be followed. */
interface Draft extends StackFunction {
  environmentFiles: { text: string; place: SourcePlace }[];
  langPlace: SourcePlace;
}

type FieldReader = (source: YamlSource, entry: Entry) => Partial<Draft>;

const shape = 'write "lang:" and "handler:" below the name, indented';

/** Reads one entry of `functions`. Mistakes of form are findings; a function that cannot be built comes back as a cause. */
export async function readFunction(
  context: FunctionContext,
  entry: Entry,
): Promise<{ fn: StackFunction } | { cause: DeployCause }> {
  const { source } = context;
  const draft = emptyDraft(entry);
  for (const field of readEntries(source, entry.value, `functions.${entry.key.slice(0, 80)}`, shape) ?? []) {
    const reader = fields.get(field.key);
    if (reader) Object.assign(draft, reader(source, field));
    else source.findings.warn(field.place, `the field ${quoted(field.key)} is not known and is ignored`);
  }
  const cause = nameCause(context, entry) ?? languageCause(context, draft) ?? handlerCause(draft);
  if (cause) return { cause };
  const { environmentFiles, langPlace, ...fn } = draft;
  const files = await readEnvironmentFiles(context.root, environmentFiles, source.findings);
  if ('cause' in files) return files;
  const handler = plainRelativePath(fn.handler) ?? fn.handler;
  return { fn: { ...fn, handler, environment: { ...fn.environment, ...files.environment } } };
}

function emptyDraft(entry: Entry): Draft {
  return {
    name: entry.key,
    lang: '',
    handler: '',
    environment: {},
    secrets: [],
    labels: {},
    annotations: {},
    limits: {},
    requests: {},
    constraints: [],
    readOnlyRootFilesystem: false,
    buildArgs: {},
    buildOptions: [],
    buildSecrets: {},
    platforms: [],
    skipBuild: false,
    place: entry.place,
    environmentFiles: [],
    langPlace: entry.place,
  };
}

const fields = new Map<string, FieldReader>([
  ['lang', (s, entry) => ({ lang: readText(s, entry, 'lang') ?? '', langPlace: entry.valuePlace })],
  [
    'handler',
    (s, entry) => ({ handler: readText(s, entry, 'handler') ?? '', handlerPlace: entry.valuePlace }),
  ],
  ['environment', (s, entry) => ({ environment: readEnvironment(s, entry) })],
  ['environment_file', (s, entry) => ({ environmentFiles: readTextList(s, entry, 'environment_file') })],
  ['secrets', (s, entry) => ({ secrets: readSecrets(s, entry) })],
  ['labels', (s, entry) => ({ labels: readTextMap(s, entry, 'labels') })],
  ['annotations', (s, entry) => ({ annotations: readTextMap(s, entry, 'annotations') })],
  ['limits', (s, entry) => ({ limits: readResources(s, entry) })],
  ['requests', (s, entry) => ({ requests: readResources(s, entry) })],
  [
    'constraints',
    (s, entry) => ({ constraints: readTextList(s, entry, 'constraints').map(({ text }) => text) }),
  ],
  ['build_args', (s, entry) => ({ buildArgs: readTextMap(s, entry, 'build_args') })],
  ['readonly_root_filesystem', (s, entry) => ({ readOnlyRootFilesystem: readBoolean(s, entry, entry.key) })],
  [
    'skip_build',
    (s, entry) => (readBoolean(s, entry, 'skip_build') ? notYet(s, entry, 'the function is built') : {}),
  ],
  ['image', (s, entry) => ignored(s, entry, 'image is ignored: the platform names what it builds')],
  ['build_options', (s, entry) => notYet(s, entry, 'the template is built as it is')],
  ['build_secrets', (s, entry) => notYet(s, entry, 'the build gets none')],
  ['platforms', (s, entry) => notYet(s, entry, "it is built for this machine's own")],
  ['fprocess', (s, entry) => notYet(s, entry, "the template's own is used")],
  ['namespace', (s, entry) => notYet(s, entry, "the installation's own is used")],
]);

function ignored(source: YamlSource, entry: Entry, message: string): Partial<Draft> {
  source.findings.warn(entry.place, message);
  return {};
}

function notYet(source: YamlSource, entry: Entry, instead: string): Partial<Draft> {
  return ignored(source, entry, `${entry.key} is not supported yet and is ignored: ${instead}`);
}

function readEnvironment(source: YamlSource, entry: Entry): Record<string, string> {
  const environment = readTextMap(source, entry, 'environment');
  for (const [name, value] of Object.entries(environment)) {
    if (/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name) && !value.includes('\0')) continue;
    source.findings.problem(entry.place, `${quoted(name)} and its value cannot be an environment variable`);
  }
  return environment;
}

const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

function readSecrets(source: YamlSource, entry: Entry): string[] {
  const secrets: string[] = [];
  for (const { text, place } of readTextList(source, entry, 'secrets')) {
    if (secretName.test(text) && !text.includes('..')) secrets.push(text);
    else {
      source.findings.problem(
        place,
        `${quoted(text)} is no name of a secret`,
        'a name is lower-case letters, digits, dots and inner hyphens',
      );
    }
  }
  return secrets;
}

/** A Kubernetes quantity: a number with a unit of powers of 10 or of 2. */
const quantity = /^\d{1,15}(?:\.\d{1,9})?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

function readResources(source: YamlSource, entry: Entry): Resources {
  const resources: Resources = {};
  const write = `write "${entry.key}:" and below it, indented, "memory: 128Mi" and "cpu: 100m"`;
  for (const item of readEntries(source, entry.value, entry.key, write) ?? []) {
    if (item.key !== 'memory' && item.key !== 'cpu') {
      source.findings.warn(
        item.place,
        `the field ${quoted(item.key)} of ${entry.key} is not known and is ignored`,
      );
      continue;
    }
    const text = readText(source, item, `${entry.key}.${item.key}`);
    if (text === undefined || text === '') continue;
    if (quantity.test(text)) resources[item.key] = text;
    else source.findings.problem(item.valuePlace, `${quoted(text)} is no amount of ${item.key}`, write);
  }
  return resources;
}

function nameCause(context: FunctionContext, entry: Entry): DeployCause | undefined {
  const why = whyNotFunction(context.owner, entry.key);
  if (why === undefined) return undefined;
  const message = `${quoted(entry.key)} cannot be a function's name: ${why}`;
  return { code: 'name_invalid', message, place: entry.place, hint: 'rename it in the stack file' };
}

function languageCause(context: FunctionContext, draft: Draft): DeployCause | undefined {
  const { lang, langPlace: place } = draft;
  if (context.languages.includes(lang)) return undefined;
  const known = `known here: ${context.languages.join(', ')}`;
  const code = 'language_unknown';
  if (lang === '') {
    const message = `the function ${quoted(draft.name)} says no lang`;
    return { code, message, place, hint: `add "lang:"; ${known}` };
  }
  if (lang.toLowerCase() === 'dockerfile') {
    const message =
      'the language "dockerfile" needs the buildkit or docker engine; this installation builds without';
    return { code, message, place, hint: known };
  }
  return { code, message: `the language ${quoted(lang)} is not known`, place, hint: known };
}

function handlerCause(draft: Draft): DeployCause | undefined {
  const { handler, handlerPlace, place, name } = draft;
  if (handler === '') {
    const message = `the function ${quoted(name)} says no handler`;
    const hint = 'add "handler:" with the folder that holds its code';
    return { code: 'handler_missing', message, place: handlerPlace ?? place, hint };
  }
  const path = plainRelativePath(handler);
  if (path === undefined || path.split('/').some((segment) => segment.toLowerCase() === '.git')) {
    const message = `the handler ${quoted(handler)} leads out of the repository`;
    const hint = 'name a folder of this repository, relative to its root, without ".."';
    return { code: 'path_escapes', message, place: handlerPlace, hint };
  }
  return undefined;
}
