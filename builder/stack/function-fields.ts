import type { SourcePlace } from '../../core/errors.ts';
import type { Resources } from '../../core/function-spec.ts';
import { quoted } from './findings.ts';
import { unknownKey } from './nearest-name.ts';
import type { StackFunction } from './stack.ts';
import type { YamlSource } from './yaml-source.ts';
import {
  type Entry,
  readBoolean,
  readEntries,
  readPlacedTexts,
  readText,
  readTextEntries,
  readTextList,
  readTexts,
} from './yaml-values.ts';

/** One function while it is read: what it will be, and what is still to be followed. */
export interface Draft extends StackFunction {
  environmentFiles: { text: string; place: SourcePlace }[];
}

type FieldReader = (source: YamlSource, entry: Entry) => Partial<Draft>;

/** Every field of a function, as faas-cli has them. Mistakes are findings; the field then keeps what could be read. */
export const functionFields = new Map<string, FieldReader>([
  ['lang', (s, entry) => ({ lang: readText(s, entry, 'lang') ?? '', langPlace: entry.valuePlace })],
  [
    'handler',
    (s, entry) => ({ handler: readText(s, entry, 'handler') ?? '', handlerPlace: entry.valuePlace }),
  ],
  [
    'image',
    (s, entry) => ({ image: readText(s, entry, 'image') || undefined, imagePlace: entry.valuePlace }),
  ],
  ['skip_build', (s, entry) => ({ skipBuild: readBoolean(s, entry, 'skip_build') })],
  ['fprocess', (s, entry) => ({ fprocess: readProcess(s, entry) })],
  ['environment', (s, entry) => ({ environment: readEnvironment(s, entry) })],
  ['environment_file', (s, entry) => ({ environmentFiles: readTextList(s, entry, 'environment_file') })],
  ['secrets', (s, entry) => ({ secrets: readSecrets(s, entry) })],
  [
    'labels',
    (s, entry) => {
      const { texts, places } = readPlacedTexts(s, entry, 'labels');
      return { labels: texts, labelPlaces: places };
    },
  ],
  [
    'annotations',
    (s, entry) => {
      const { texts, places } = readPlacedTexts(s, entry, 'annotations');
      return { annotations: texts, annotationPlaces: places };
    },
  ],
  ['limits', (s, entry) => ({ limits: readResources(s, entry) })],
  ['requests', (s, entry) => ({ requests: readResources(s, entry) })],
  ['constraints', (s, entry) => ({ constraints: readConstraints(s, entry) })],
  ['readonly_root_filesystem', (s, entry) => ({ readOnlyRootFilesystem: readBoolean(s, entry, entry.key) })],
  ['build_args', (s, entry) => ({ buildArgs: readBuildArgs(s, entry) })],
  [
    'build_options',
    (s, entry) => ({
      buildOptions: readTextList(s, entry, 'build_options').map(({ text }) => text),
      buildOptionsPlace: entry.valuePlace,
    }),
  ],
  ['build_secrets', (s, entry) => ({ buildSecrets: readBuildSecrets(s, entry) })],
  ['platforms', (s, entry) => ({ platforms: readPlatforms(s, entry) })],
  ['namespace', (s, entry) => ({ namespace: readText(s, entry, 'namespace') || undefined })],
]);

/** As Kubernetes takes them. */
const variableName = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** A map of variables: a function's own, or an environment file's. */
export function readEnvironment(source: YamlSource, entry: Entry): Record<string, string> {
  const environment: [string, string][] = [];
  for (const { key, text, place } of readTextEntries(source, entry, 'environment')) {
    if (variableName.test(key) && !text.includes('\0')) environment.push([key, text]);
    else {
      source.findings.problem(
        place,
        `${quoted(key)} and its value cannot be an environment variable`,
        'a name is letters, digits, "_", "-" and "."; a value has no zero bytes',
      );
    }
  }
  return Object.fromEntries(environment);
}

function readProcess(source: YamlSource, entry: Entry): string | undefined {
  const text = readText(source, entry, 'fprocess')?.trim();
  if (text?.includes('\0') || text?.includes('\n')) {
    source.findings.problem(
      entry.valuePlace,
      'fprocess must be one line',
      'write a program and its arguments',
    );
    return undefined;
  }
  return text || undefined;
}

const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const isSecretName = (text: string) => secretName.test(text) && !text.includes('..');

function readSecrets(source: YamlSource, entry: Entry): string[] {
  const secrets: string[] = [];
  for (const { text, place } of readTextList(source, entry, 'secrets')) {
    if (isSecretName(text)) secrets.push(text);
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
      source.findings.warn(item.place, unknownKey('the field', item.key, ['memory', 'cpu'], entry.key));
      continue;
    }
    const text = readText(source, item, `${entry.key}.${item.key}`);
    if (text === undefined || text === '') continue;
    if (quantity.test(text)) resources[item.key] = text;
    else source.findings.problem(item.valuePlace, `${quoted(text)} is no amount of ${item.key}`, write);
  }
  return resources;
}

function readConstraints(source: YamlSource, entry: Entry): string[] {
  const constraints: string[] = [];
  for (const { text, place } of readTextList(source, entry, 'constraints')) {
    if (/^[^=]+={1,2}[^=]*$/.test(text)) constraints.push(text);
    else {
      source.findings.problem(
        place,
        `the constraint ${quoted(text)} is not of the form name=value`,
        'write it as "kubernetes.io/arch=amd64"',
      );
    }
  }
  return constraints;
}

function readBuildArgs(source: YamlSource, entry: Entry): Record<string, string> {
  const args: [string, string][] = [];
  for (const { key, text, place } of readTextEntries(source, entry, 'build_args')) {
    if (/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(key) && !text.includes('\0')) args.push([key, text]);
    else {
      source.findings.problem(
        place,
        `${quoted(key)} and its value cannot be a build argument`,
        'a name is letters, digits and "_"; a value has no zero bytes',
      );
    }
  }
  return Object.fromEntries(args);
}

/** faas-cli names files of the machine it runs on; a push has no such machine, so it names secrets that are kept. */
function readBuildSecrets(source: YamlSource, entry: Entry): Record<string, string> {
  const secrets: [string, string][] = [];
  for (const { key, text, place, valuePlace } of readTextEntries(source, entry, 'build_secrets')) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(key)) {
      source.findings.problem(
        place,
        `${quoted(key)} cannot be the id of a build secret`,
        'an id is letters, digits, "_", "-" and "."',
      );
    } else if (isSecretName(text)) secrets.push([key, text]);
    else {
      // What stands here may be a secret's value: it must not be told on.
      source.findings.problem(
        valuePlace,
        `the build secret ${quoted(key)} must be the name of a secret, not a path or a value`,
        `write "${key}: name-of-a-build-secret" and have the operator keep the value under that name`,
      );
    }
  }
  return Object.fromEntries(secrets);
}

function readPlatforms(source: YamlSource, entry: Entry): string[] {
  const platforms = new Set<string>();
  for (const { text, place } of readTexts(source, entry, 'platforms')) {
    for (const platform of text.split(',').map((part) => part.trim())) {
      if (/^linux\/[a-z0-9]{1,20}(?:\/v[0-9]{1,2})?$/.test(platform)) platforms.add(platform);
      else if (platform !== '' || text.trim() === '') {
        source.findings.problem(
          place,
          `${quoted(platform)} is no platform that functions run on`,
          'write "platforms: linux/amd64,linux/arm64"',
        );
      }
    }
  }
  return [...platforms];
}
