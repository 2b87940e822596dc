import { quoted } from './findings.ts';

const maxCompared = 40;

/** The message for a key that means nothing, with the known one that was probably meant. */
export function unknownKey(what: string, key: string, known: Iterable<string>, of?: string): string {
  const nearest = nearestName(key, known);
  const suggestion = nearest === undefined ? '' : `; did you mean ${quoted(nearest)}?`;
  return `${what} ${quoted(key)}${of ? ` of ${of}` : ''} is not known and is ignored${suggestion}`;
}

/** The known name that differs by case, hyphens or at most two letters; `undefined` if none does. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > maxCompared) return undefined;
  const plain = plainName(name);
  let nearest: string | undefined;
  let best = plain.length < 4 ? 1 : plain.length < 6 ? 2 : 3;
  for (const candidate of known) {
    const away = distance(plain, plainName(candidate));
    if (away >= best) continue;
    best = away;
    nearest = candidate;
  }
  return nearest;
}

const plainName = (name: string) => name.toLowerCase().replace(/[-_. ]/g, '');

/** Letters to change, add or leave out (Levenshtein). */
function distance(a: string, b: string): number {
  let row = [...Array(b.length + 1).keys()];
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries()) {
      const changed = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
