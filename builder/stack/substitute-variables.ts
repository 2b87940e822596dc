import type { LineCounter } from 'yaml';

export interface Substituted {
  text: string;
  /** Where a character of `text` came from: its offset in the original. */
  originOf(offset: number): number;
  /** Variables taken as empty, and expressions left as they are; offsets in the original. */
  notes: { offset: number; message: string }[];
}

interface Expression {
  value: string;
  end: number;
  unset: string | undefined;
}

const opening = /\$\{([A-Za-z_][A-Za-z0-9_]*)(:-|-|:=|=)?/y;
const maxNesting = 8;

/**
 * `${NAME}` and `${NAME:-default}` as faas-cli replaces them, before the YAML is parsed. A build is given no
 * variables, so a default is taken and anything else is empty. `$${` is a plain `${`.
 */
export function substituteVariables(source: string): Substituted {
  const pieces: string[] = [];
  const shifts: { out: number; origin: number }[] = [{ out: 0, origin: 0 }];
  const notes: Substituted['notes'] = [];
  let outLength = 0;
  let done = 0;
  const emit = (text: string, nextOrigin: number) => {
    pieces.push(text);
    outLength += text.length;
    shifts.push({ out: outLength, origin: nextOrigin });
    done = nextOrigin;
  };
  for (let at = source.indexOf('${'); at >= 0; at = source.indexOf('${', Math.max(at + 2, done))) {
    const escaped = source[at - 1] === '$' && at > done;
    if (escaped) {
      emit(source.slice(done, at - 1), at);
      continue;
    }
    const expression = readExpression(source, at, 0);
    if (!expression) {
      notes.push({ offset: at, message: 'this "${" is no variable that is known here; it is left as it is' });
      continue;
    }
    if (expression.unset) {
      const name = expression.unset;
      notes.push({
        offset: at,
        message: `\${${name}} is empty: a build is given no variables; write \${${name}:-value}`,
      });
    }
    emit(source.slice(done, at), at);
    emit(expression.value, expression.end);
  }
  pieces.push(source.slice(done));
  return { text: pieces.join(''), originOf: (offset) => originOf(shifts, offset), notes };
}

function readExpression(source: string, at: number, depth: number): Expression | undefined {
  opening.lastIndex = at;
  const match = opening.exec(source);
  if (!match || depth > maxNesting) return undefined;
  let end = at + match[0].length;
  if (!match[2]) return source[end] === '}' ? { value: '', end: end + 1, unset: match[1] } : undefined;
  let value = '';
  while (end < source.length && source[end] !== '\n') {
    if (source[end] === '}') return { value, end: end + 1, unset: undefined };
    if (!source.startsWith('${', end)) {
      value += source[end];
      end += 1;
      continue;
    }
    // Giving up with the inner one keeps a hostile line of openings from being read again and again.
    const nested = readExpression(source, end, depth + 1);
    if (!nested) return undefined;
    value += nested.value;
    end = nested.end;
  }
  return undefined;
}

/** A replaced text counts as where its `${` stood. */
function originOf(shifts: { out: number; origin: number }[], offset: number): number {
  let low = 0;
  let high = shifts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((shifts[middle]?.out ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const shift = shifts[low] ?? { out: 0, origin: 0 };
  const next = shifts[low + 1]?.origin ?? Number.POSITIVE_INFINITY;
  return Math.min(shift.origin + offset - shift.out, Math.max(shift.origin, next - 1));
}

/** The offsets at which lines start, for turning an offset of the original into line and column. */
export function countLines(source: string, counter: LineCounter): void {
  counter.addNewLine(0);
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) counter.addNewLine(at + 1);
}
