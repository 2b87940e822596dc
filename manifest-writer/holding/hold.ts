import { type Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { towlineAnnotations } from '../../core/function-spec.ts';
import { describeHold, formatHold, readHold } from '../../core/hold.ts';
import { oneLine } from '../message/plain-text.ts';
import { asksForTheSame, readFunction } from '../render/read-function.ts';

const maxHold = 300;

/** The annotation's text: who, since when, why. */
export function holdText(by: string, since: number, reason: string): string {
  return oneLine(formatHold(by, since, reason), maxHold);
}

export interface HeldManifest {
  /** What holds the function, as one line; `undefined` if nothing does. */
  hold: string | undefined;
  /** The manifest without any hold. */
  bare: string;
}

/**
 * A manifest and what holds it. A person may have written any value, also one that makes the manifest invalid; nothing
 * and `false` hold nothing. `undefined`: it is no manifest, and nobody knows.
 */
export function readHeld(manifest: string): HeldManifest | undefined {
  const read = readFunction(manifest);
  if (read && !(towlineAnnotations.hold in read.metadata.annotations)) {
    return { hold: undefined, bare: manifest };
  }
  const document = parsed(manifest);
  if (document.errors.length > 0) return undefined;
  const annotations = annotationsOf(document.contents);
  const value: unknown = annotations?.get(towlineAnnotations.hold, true);
  annotations?.delete(towlineAnnotations.hold);
  const bare = written(document);
  if (!readFunction(bare)) return undefined;
  const line = oneLine(isScalar(value) ? String(value.value ?? '') : JSON.stringify(value ?? ''), maxHold);
  return { hold: readHold(line) === null ? undefined : line, bare };
}

/** What holds the function of this manifest; `undefined` if nothing does, or if it is no manifest. */
export function holdOf(manifest: string | null): string | undefined {
  return manifest === null ? undefined : readHeld(manifest)?.hold;
}

/** For people, from the annotation. */
export function heldReason(hold: string): string {
  const known = readHold(hold);
  return known === null ? 'held' : describeHold(known);
}

/** The manifest with this hold, or without any; everything else stays as it is written. */
export function withHold(manifest: string, hold: string | null): string {
  const document = parsed(manifest);
  const annotations = annotationsOf(document.contents);
  if (!annotations) throw new Error('a manifest without metadata cannot be held');
  if (hold === null) annotations.delete(towlineAnnotations.hold);
  else annotations.set(towlineAnnotations.hold, document.createNode(hold));
  const text = written(document);
  if ((holdOf(text) ?? null) !== (hold === null ? null : oneLine(hold, maxHold))) {
    throw new Error('the held manifest does not read back');
  }
  return text;
}

/** Whether nothing but the hold differs between two manifests. */
export function differInHoldAlone(before: string, after: string): boolean {
  const [last, next] = [readHeld(before), readHeld(after)];
  return last !== undefined && next !== undefined && asksForTheSame(last.bare, next.bare);
}

/** Whether nothing but the hold differs between two manifests, and in which way. */
export function holdChange(before: string, after: string): 'hold' | 'resume' | undefined {
  const [last, next] = [holdOf(before), holdOf(after)];
  if ((last === undefined) === (next === undefined) || !differInHoldAlone(before, after)) return undefined;
  return next === undefined ? 'resume' : 'hold';
}

function parsed(manifest: string): Document.Parsed {
  return parseDocument(manifest, { version: '1.2', compat: 'yaml-1.1', keepSourceTokens: true });
}

function written(document: Document.Parsed): string {
  return document.toString({ lineWidth: 0, blockQuote: false, singleQuote: false });
}

/** Of the object itself; of a list, of its first. */
function annotationsOf(contents: unknown): YAMLMap | undefined {
  if (!isMap(contents)) return undefined;
  const items = contents.get('items');
  const object = isSeq(items) ? items.get(0) : contents;
  const metadata = isMap(object) ? object.get('metadata') : undefined;
  if (!isMap(metadata)) return undefined;
  if (!isMap(metadata.get('annotations'))) metadata.set('annotations', {});
  const annotations = metadata.get('annotations', true);
  return isMap(annotations) ? annotations : undefined;
}
