import { realpath } from 'node:fs/promises';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import { plainRelativePath } from '../context/repository-path.ts';
import { createFindings, quoted } from './findings.ts';
import { unknownKey } from './nearest-name.ts';
import { readRepositoryFile, whyUnreadable } from './repository-file.ts';
import type { Stack, StackOptions } from './stack.ts';
import { readFunction } from './stack-function.ts';
import { readTemplateReferences } from './template-references.ts';
import { parseYaml, type YamlSource } from './yaml-source.ts';
import { type Entry, readEntries, readText, readTextList } from './yaml-values.ts';

/** In the order in which faas-cli looks for them. */
const fileNames = ['stack.yaml', 'stack.yml'];

/** In the language that most people know, if it is one here. */
function minimal(languages: readonly string[]): string {
  const language = languages.includes('node') ? 'node' : (languages[0] ?? 'node');
  return `add a stack.yml at the root, as: functions: { hello: { lang: ${language}, handler: ./hello } }`;
}

/**
 * Reads and checks a repository's stack file. Throws `stack_missing`, `stack_invalid` with the place of the
 * first mistake and a list of the others, or `path_escapes`. A function that cannot be built is in `refused`.
 */
export async function readStack(sourceDir: string, options: StackOptions): Promise<Stack> {
  const root = await realpath(sourceDir);
  const found = await findStackFile(root, options.languages);
  const findings = createFindings();
  if (found.other) findings.warn({ file: found.other }, `ignored, because there is a ${found.file} too`);
  const source = parseYaml({ file: found.file, text: found.text, findings, substitute: true });
  if (!source) {
    findings.throwIfAny();
    throw new TowlineError('internal', 'a file that is not YAML was not reported');
  }
  const stack = await readParsed(root, source, options);
  findings.throwIfAny();
  return { ...stack, warnings: findings.warnings() };
}

async function findStackFile(
  root: string,
  languages: string[],
): Promise<{ file: string; text: string; other: string | undefined }> {
  const there: { file: string; text: string }[] = [];
  for (const file of fileNames) {
    const read = await readRepositoryFile(root, file);
    if (read.text !== undefined) there.push({ file, text: read.text });
    else if (read.why === 'escapes' || read.why === 'git') {
      throw new TowlineError('path_escapes', `${file} ${whyUnreadable(read)}`, { place: { file } });
    } else if (read.why !== 'missing') {
      throw new TowlineError('stack_invalid', `${file} ${whyUnreadable(read)}`, { place: { file } });
    }
  }
  const [first, second] = there;
  if (first) return { ...first, other: second?.file };
  throw new TowlineError('stack_missing', 'the repository has no stack.yml', {
    hint: minimal(languages),
  });
}

async function readParsed(root: string, source: YamlSource, options: StackOptions): Promise<Stack> {
  const stack: Stack = {
    file: source.file,
    functions: [],
    refused: [],
    copy: [],
    templates: [],
    warnings: [],
  };
  const hint = minimal(options.languages);
  const entries = readEntries(source, source.root, 'a stack file', hint);
  if (!entries) return stack;
  const top = new Map(entries.map((entry) => [entry.key, entry]));
  readVersion(source, top.get('version'));
  readProvider(source, top.get('provider'));
  readConfiguration(source, top.get('configuration'), stack);
  const functions = top.get('functions');
  if (!functions)
    source.findings.problem({ file: source.file, line: 1 }, 'the key "functions" is missing', hint);
  else await readFunctions({ root, source, ...options }, functions, stack);
  for (const entry of entries) {
    // Keys that start with x- are made for anchors and never mean anything.
    if (!topLevel.has(entry.key) && !entry.key.startsWith('x-')) {
      source.findings.warn(entry.place, unknownKey('the key', entry.key, topLevel));
    }
  }
  return stack;
}

/** Each function is a record, a build and a commit of its own. */
const maxFunctions = 100;
const topLevel = new Set(['version', 'provider', 'functions', 'configuration']);

async function readFunctions(
  context: StackOptions & { root: string; source: YamlSource },
  functions: Entry,
  stack: Stack,
): Promise<void> {
  const { source } = context;
  const hint = 'write each function\'s name below "functions:", indented';
  const entries = readEntries(source, functions.value, 'functions', hint) ?? [];
  if (entries.length === 0) source.findings.warn(functions.place, 'there are no functions in it');
  const beyond = entries[maxFunctions];
  if (beyond) {
    const message = `there are ${entries.length} functions; a stack file may have ${maxFunctions}`;
    source.findings.problem(beyond.place, message, 'divide them among several repositories');
    return;
  }
  for (const entry of entries) {
    const read = await readFunction({ ...context, references: stack.templates }, entry);
    if ('fn' in read) stack.functions.push(read.fn);
    else stack.refused.push({ name: entry.key.slice(0, 200), cause: read.cause });
  }
}

function readVersion(source: YamlSource, entry: Entry | undefined): void {
  const version = entry && readText(source, entry, 'version');
  if (!entry || version === undefined || version === '' || version === '1.0') return;
  source.findings.problem(
    entry.valuePlace,
    `the version ${quoted(version)} is not known`,
    'write "version: 1.0"',
  );
}

function readProvider(source: YamlSource, entry: Entry | undefined): void {
  const hint = 'write "provider:" and below it, indented, "name: openfaas"';
  if (!entry) {
    source.findings.warn({ file: source.file, line: 1 }, `there is no provider; faas-cli wants one: ${hint}`);
    return;
  }
  let named = false;
  for (const item of readEntries(source, entry.value, 'provider', hint) ?? []) {
    if (item.key === 'name') {
      named = true;
      const name = readText(source, item, 'provider.name');
      if (name !== undefined && name !== 'openfaas') {
        source.findings.problem(
          item.valuePlace,
          `the provider must be "openfaas", not ${quoted(name)}`,
          hint,
        );
      }
      // faas-cli's gateway and network say where to deploy by hand; a push knows that by itself.
    } else if (item.key !== 'gateway' && item.key !== 'network') {
      source.findings.warn(
        item.place,
        unknownKey('the field', item.key, ['name', 'gateway', 'network'], 'provider'),
      );
    }
  }
  if (!named) source.findings.warn(entry.place, `the provider has no name; faas-cli wants one: ${hint}`);
}

function readConfiguration(source: YamlSource, entry: Entry | undefined, stack: Stack): void {
  if (!entry) return;
  const hint = 'write "configuration:" and below it, indented, "copy:" or "templates:" with a list';
  for (const item of readEntries(source, entry.value, 'configuration', hint) ?? []) {
    if (item.key === 'copy') stack.copy = readCopy(source, item);
    else if (item.key === 'templates') stack.templates = readTemplateReferences(source, item);
    else {
      const known = ['copy', 'templates'];
      source.findings.warn(item.place, unknownKey('the field', item.key, known, 'configuration'));
    }
  }
}

function readCopy(source: YamlSource, entry: Entry): Stack['copy'] {
  return readTextList(source, entry, 'configuration.copy').map(({ text, place }) => ({
    path: copyPath(text, place),
    place,
  }));
}

/** Every function gets these paths, so one that leads outside fails the whole push. */
function copyPath(text: string, place: SourcePlace): string {
  const path = plainRelativePath(text);
  const hint = 'name a file or folder below the root of this repository';
  if (path === undefined) {
    throw new TowlineError(
      'path_escapes',
      `configuration.copy: ${quoted(text)} leads out of the repository`,
      {
        place,
        hint,
      },
    );
  }
  if (path !== '.') return path;
  throw new TowlineError('stack_invalid', 'configuration.copy: the whole repository cannot be copied', {
    place,
    hint,
  });
}
