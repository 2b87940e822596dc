import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { SourcePlace } from '../../core/errors.ts';
import { quoted } from './findings.ts';
import { keyText, scalarText, type YamlSource } from './yaml-source.ts';

/** One key of a map and what it holds; `null` for a key without a value. */
export interface Entry {
  key: string;
  place: SourcePlace;
  value: Node | null;
  /** Where the value is, or else the key. */
  valuePlace: SourcePlace;
}

/** How deep maps merged by `<<` may merge others in turn. */
const maxMergeDepth = 20;

function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

/** The entries of a map, with `<<` merged in; a missing value is an empty map, anything else is `undefined` and a problem. */
export function readEntries(
  source: YamlSource,
  node: Node | null,
  what: string,
  write: string,
): Entry[] | undefined {
  const map = source.resolve(node);
  if (isEmpty(map)) return [];
  if (!isMap(map)) {
    source.findings.problem(source.place(node), `${what} must be a map, not ${kindOf(map)}`, write);
    return undefined;
  }
  const entries = new Map<string, Entry>();
  collect(source, map, entries, 0);
  return [...entries.values()];
}

function collect(source: YamlSource, map: YAMLMap, into: Map<string, Entry>, depth: number): void {
  const merges: unknown[] = [];
  for (const pair of map.items) {
    if (!source.spend(1)) return;
    const keyNode = source.resolve(pair.key);
    if (!isScalar(keyNode)) {
      source.findings.problem(source.place(keyNode ?? map), `a key must be a text, not ${kindOf(keyNode)}`);
      continue;
    }
    const key = keyText(keyNode);
    if (key === '<<' || typeof keyNode.value === 'symbol') {
      merges.push(pair.value);
      continue;
    }
    const value = source.resolve(pair.value);
    const place = source.place(keyNode);
    // A key of the map itself goes before merged ones, which come later.
    if (!into.has(key)) {
      const valuePlace = isEmpty(value) ? place : source.place(pair.value as Node);
      into.set(key, { key, place, value, valuePlace });
    }
  }
  for (const merge of merges) mergeInto(source, merge, into, depth + 1);
}

function mergeInto(source: YamlSource, merge: unknown, into: Map<string, Entry>, depth: number): void {
  const node = source.resolve(merge);
  for (const item of isSeq(node) ? node.items : [node]) {
    const map = source.resolve(item);
    if (!source.spend(1)) return;
    if (depth > maxMergeDepth) {
      source.findings.problem(source.place(node), `"<<" merges maps more than ${maxMergeDepth} deep`);
      return;
    }
    if (isMap(map)) collect(source, map, into, depth);
    else source.findings.problem(source.place(node), `"<<" merges maps, not ${kindOf(map)}`);
  }
}

/** A scalar as text; a missing one is the empty text. */
export function readText(source: YamlSource, entry: Entry, what: string): string | undefined {
  if (entry.value === null) return '';
  if (isScalar(entry.value)) {
    const text = scalarText(entry.value.value, entry.value.source);
    return source.spend(text.length) ? text : undefined;
  }
  source.findings.problem(entry.valuePlace, `${what} must be a text, not ${kindOf(entry.value)}`);
  return undefined;
}

/** A map of texts, as labels, and where each of its keys is. */
export function readPlacedTexts(
  source: YamlSource,
  entry: Entry,
  what: string,
): { texts: Record<string, string>; places: Record<string, SourcePlace> } {
  const entries = readTextEntries(source, entry, what);
  return {
    texts: Object.fromEntries(entries.map(({ key, text }) => [key, text])),
    places: Object.fromEntries(entries.map(({ key, place }) => [key, place])),
  };
}

/** The items of a list, each with its own place; anything but a list or nothing is a problem. */
export function readItems(
  source: YamlSource,
  entry: Entry,
  what: string,
  write: string,
): { node: Node | null; place: SourcePlace }[] {
  if (isEmpty(entry.value)) return [];
  if (!isSeq(entry.value)) {
    source.findings.problem(entry.valuePlace, `${what} must be a list, not ${kindOf(entry.value)}`, write);
    return [];
  }
  const items: { node: Node | null; place: SourcePlace }[] = [];
  for (const item of entry.value.items) {
    if (!source.spend(1)) return items;
    items.push({ node: source.resolve(item), place: source.place(item as Node) });
  }
  return items;
}

/** A list of texts, each with its own place. */
export function readTextList(
  source: YamlSource,
  entry: Entry,
  what: string,
): { text: string; place: SourcePlace }[] {
  const write = `write "${entry.key}:" and below it, indented, one "- value" a line`;
  const texts: { text: string; place: SourcePlace }[] = [];
  for (const { node, place } of readItems(source, entry, what, write)) {
    const text = isScalar(node) && node.value !== null ? scalarText(node.value, node.source) : undefined;
    if (!source.spend(text?.length ?? 0)) return texts;
    if (text !== undefined) texts.push({ text, place });
    else source.findings.problem(place, `each item of ${what} must be a text, not ${kindOf(node)}`, write);
  }
  return texts;
}

/** A list of texts, or one text. */
export function readTexts(
  source: YamlSource,
  entry: Entry,
  what: string,
): { text: string; place: SourcePlace }[] {
  if (!isScalar(entry.value) || isEmpty(entry.value)) return readTextList(source, entry, what);
  return [{ text: readText(source, entry, what) ?? '', place: entry.valuePlace }];
}

/** A map of texts, each with its own places. */
export function readTextEntries(
  source: YamlSource,
  entry: Entry,
  what: string,
): { key: string; text: string; place: SourcePlace; valuePlace: SourcePlace }[] {
  const write = `write "${entry.key}:" and below it, indented, one "NAME: value" a line`;
  const texts = [];
  for (const item of readEntries(source, entry.value, what, write) ?? []) {
    const text = readText(source, item, `${what}.${item.key.slice(0, 80)}`);
    if (text !== undefined) texts.push({ ...item, text });
  }
  return texts;
}

const truths = new Map([
  ['true', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['no', false],
  ['off', false],
  ['', false],
]);

export function readBoolean(source: YamlSource, entry: Entry, what: string): boolean {
  const text = isScalar(entry.value) || entry.value === null ? readText(source, entry, what) : undefined;
  const value = truths.get((text ?? 'neither').toLowerCase());
  if (value === undefined) {
    const found = text === undefined ? kindOf(entry.value) : quoted(text);
    source.findings.problem(entry.valuePlace, `${what} must be true or false, not ${found}`);
  }
  return value ?? false;
}

function kindOf(node: Node | null): string {
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  return quoted(scalarText(node.value, node.source));
}
