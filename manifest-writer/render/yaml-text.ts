import { Document, isScalar, parseAllDocuments, Scalar, visit } from 'yaml';
import { readPlainYaml, writePlainYaml } from './plain-yaml.ts';

/** Characters that YAML readers refuse or treat as line breaks when they stand unescaped. */
const unprintable = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/**
 * One YAML document from plain data, in the order given, the same for every reader: strings that YAML 1.1 would
 * take for something else are quoted, no anchors, no folding, no block text, no raw control characters.
 */
export function toYaml(data: object): string {
  return writePlainYaml(data, quotedScalar) ?? toYamlSlowly(data);
}

const maxScalars = 10_000;
const scalars = new Map<string, string>();

/** The library's word for one text; the same few are asked for again and again. */
function quotedScalar(text: string): string | undefined {
  const known = scalars.get(text);
  if (known !== undefined) return known;
  const written = toYamlSlowly({ a: text });
  const [, scalar] = /^a: ([^\n]+)\n$/.exec(written) ?? [];
  if (scalar === undefined) return undefined;
  if (scalars.size >= maxScalars) scalars.clear();
  scalars.set(text, scalar);
  return scalar;
}

/** `toYaml` by the library alone. */
export function toYamlSlowly(data: object): string {
  const document = new Document(data, { aliasDuplicateObjects: false, version: '1.2', compat: 'yaml-1.1' });
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && typeof node.value === 'string' && !/^[\x20-\x7e]*$/.test(node.value)) {
        node.type = Scalar.QUOTE_DOUBLE;
      }
    },
  });
  const text = document.toString({ lineWidth: 0, blockQuote: false, singleQuote: false });
  // Only double-quoted text holds them, where the escape means the same character.
  return text.replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const maxParsed = 1024 * 1024;

/** The data of a text that is exactly one YAML document; `undefined` for anything else. */
export function fromYaml(text: string): unknown {
  if (text.length > maxParsed) return undefined;
  return readPlainYaml(text, quotedScalar) ?? fromYamlSlowly(text);
}

/** `fromYaml` by the library alone. */
export function fromYamlSlowly(text: string): unknown {
  const documents = parseAllDocuments(text, { uniqueKeys: true, logLevel: 'silent' });
  const [only] = documents;
  if (!Array.isArray(documents) || documents.length !== 1 || only === undefined) return undefined;
  if (only.errors.length > 0) return undefined;
  try {
    return only.toJS({ maxAliasCount: 0 });
  } catch {
    return undefined;
  }
}
