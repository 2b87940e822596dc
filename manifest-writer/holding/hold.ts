import { isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { towlineAnnotations } from '../../core/function-spec.ts';
import { describeHold, formatHold, readHold } from '../../core/hold.ts';
import { oneLine } from '../message/plain-text.ts';
import { asksForTheSame, readFunction } from '../render/read-function.ts';

const maxHold = 300;

/** The annotation's text: who, since when, why. */
export function holdText(by: string, since: number, reason: string): string {
  return oneLine(formatHold(by, since, reason), maxHold);
}

/** What holds the function of this manifest; `undefined` if nothing does. A person may have written anything. */
export function holdOf(manifest: string | null): string | undefined {
  if (manifest === null) return undefined;
  const text = readFunction(manifest)?.metadata.annotations[towlineAnnotations.hold];
  if (text === undefined) return undefined;
  const line = oneLine(text, maxHold);
  return readHold(line) === null ? undefined : line;
}

/** For people, from the annotation. */
export function heldReason(hold: string): string {
  const known = readHold(hold);
  return known === null ? 'held' : describeHold(known);
}

/** The manifest with this hold, or without any; everything else stays as it is written. */
export function withHold(manifest: string, hold: string | null): string {
  const document = parseDocument(manifest, { version: '1.2', compat: 'yaml-1.1', keepSourceTokens: true });
  const annotations = annotationsOf(document.contents);
  if (!annotations) throw new Error('a manifest without metadata cannot be held');
  if (hold === null) annotations.delete(towlineAnnotations.hold);
  else annotations.set(towlineAnnotations.hold, document.createNode(hold));
  const text = document.toString({ lineWidth: 0, blockQuote: false, singleQuote: false });
  if ((holdOf(text) ?? null) !== (hold === null ? null : oneLine(hold, maxHold))) {
    throw new Error('the held manifest does not read back');
  }
  return text;
}

/** Whether nothing but the hold differs between two manifests, and in which way. */
export function holdChange(before: string, after: string): 'hold' | 'resume' | undefined {
  const [last, next] = [holdOf(before), holdOf(after)];
  if ((last === undefined) === (next === undefined)) return undefined;
  if (!readFunction(before) || !readFunction(after)) return undefined;
  if (!asksForTheSame(withHold(before, null), withHold(after, null))) return undefined;
  return next === undefined ? 'resume' : 'hold';
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
