import { isMap } from 'yaml';
import { quoted } from './findings.ts';
import { unknownKey } from './nearest-name.ts';
import type { TemplateReference } from './stack.ts';
import type { YamlSource } from './yaml-source.ts';
import { type Entry, readEntries, readItems, readText } from './yaml-values.ts';

const write = 'write "templates:" and below it, indented, "- name: go" and "source: https://host/repository"';
const languageName = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
const refName = /^[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}$/;
const maxReferences = 20;

/** `configuration.templates`. Whether the installation allows a source is asked when it is needed. */
export function readTemplateReferences(source: YamlSource, entry: Entry): TemplateReference[] {
  const references: TemplateReference[] = [];
  const items = readItems(source, entry, 'configuration.templates', write);
  for (const { node, place } of items.slice(0, maxReferences)) {
    if (!isMap(node)) {
      source.findings.problem(place, 'each item of configuration.templates must be a map', write);
      continue;
    }
    const fields = new Map(
      (readEntries(source, node, 'configuration.templates', write) ?? []).map((field) => [field.key, field]),
    );
    const reference = readReference(source, fields, place);
    if (reference) references.push(reference);
  }
  const beyond = items[maxReferences];
  if (beyond) {
    source.findings.problem(
      beyond.place,
      `configuration.templates lists more than ${maxReferences} templates`,
    );
  }
  return references;
}

function readReference(
  source: YamlSource,
  fields: Map<string, Entry>,
  place: TemplateReference['place'],
): TemplateReference | undefined {
  for (const field of fields.values()) {
    if (field.key === 'name' || field.key === 'source') continue;
    source.findings.warn(field.place, unknownKey('the field', field.key, ['name', 'source'], 'a template'));
  }
  const nameEntry = fields.get('name');
  const name = nameEntry ? readText(source, nameEntry, "a template's name") : '';
  if (name === undefined) return undefined;
  if (!languageName.test(name)) {
    const message = name === '' ? 'a template has no name' : `${quoted(name)} cannot be a template's name`;
    source.findings.problem(nameEntry?.valuePlace ?? place, message, write);
    return undefined;
  }
  const sourceEntry = fields.get('source');
  if (!sourceEntry) return { name, place };
  const located = readSource(source, sourceEntry);
  return located && { name, ...located, place: sourceEntry.valuePlace };
}

function readSource(source: YamlSource, entry: Entry): Pick<TemplateReference, 'source' | 'ref'> | undefined {
  const text = readText(source, entry, "a template's source") ?? '';
  const hash = text.indexOf('#');
  if (text === '') return {};
  if (hash < 0) return { source: text };
  const ref = text.slice(hash + 1);
  if (hash > 0 && refName.test(ref) && !ref.includes('..') && !ref.endsWith('/')) {
    return { source: text.slice(0, hash), ref };
  }
  const message = `${quoted(ref)} cannot be a branch, a tag or a commit`;
  source.findings.problem(entry.valuePlace, message, 'write the source as https://host/repository#main');
  return undefined;
}
