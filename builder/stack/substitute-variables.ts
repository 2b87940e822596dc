import type { LineCounter } from 'yaml';

export interface Substituted {
  text: string;
  /** Where a character of `text` came from: its offset in the original. */
  originOf(offset: number): number;
  /** Variables taken as empty, and expressions left as they are; offsets in the original. */
  notes: { offset: number; message: string; isProblem?: boolean | undefined }[];
}

interface Expression {
  value: string;
  end: number;
  /** The variable that would have been needed. */
  unset?: string | undefined;
  /** What `${NAME:?…}` says if it is not there. */
  required?: { name: string; why: string } | undefined;
}

const opening = /\$\{(#?)([A-Za-z_][A-Za-z0-9_]*)(:[-=+?]|[-=+?]|[:^,#%/])?/y;
const maxNesting = 8;

/**
 * The expressions that faas-cli replaces before the YAML is parsed. A build is given no variables: every one is unset,
 * so a default is taken, `${NAME:?why}` is a problem, `${#NAME}` is 0, and whatever is made of the value is empty.
 * `$${` is a plain `${`.
 */
export function substituteVariables(source: string): Substituted {
  const pieces: string[] = [];
  const shifts: { out: number; origin: number }[] = [{ out: 0, origin: 0 }];
  const notes: Substituted['notes'] = [];
  const isInComment = createCommentCheck(source);
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
      const message = 'this "${" is no variable that is known here; it is left as it is';
      if (!isInComment(at)) notes.push({ offset: at, message });
      continue;
    }
    const note = noteOf(expression);
    if (note && !isInComment(at)) notes.push({ offset: at, ...note });
    emit(source.slice(done, at), at);
    emit(expression.value, expression.end);
  }
  pieces.push(source.slice(done));
  return { text: pieces.join(''), originOf: (offset) => originOf(shifts, offset), notes };
}

function noteOf({ unset, required }: Expression): { message: string; isProblem?: boolean } | undefined {
  if (required) {
    const why = required.why === '' ? 'it is required' : required.why.slice(0, 200);
    return { message: `\${${required.name}} is not set: ${why}`, isProblem: true };
  }
  if (!unset) return undefined;
  return {
    message: `\${${unset}} is empty: a build is given no variables; write \${${unset}:-value}`,
  };
}

/**
 * Whether an offset lies in a line that is a comment as a whole; of others, only the parser knows. Asked with growing
 * offsets, it looks at each character once.
 */
function createCommentCheck(source: string): (at: number) => boolean {
  let end = -1;
  let isComment = false;
  return (at) => {
    while (end < at) {
      const start = end + 1;
      const newline = source.indexOf('\n', start);
      end = newline < 0 ? source.length : newline;
      if (end >= at) isComment = /^[ \t]*#/.test(source.slice(start, end));
    }
    return isComment;
  };
}

function readExpression(source: string, at: number, depth: number): Expression | undefined {
  opening.lastIndex = at;
  const match = opening.exec(source);
  if (!match || depth > maxNesting) return undefined;
  const [whole, isLength, name = '', operator] = match;
  const start = at + whole.length;
  if (isLength) return !operator && source[start] === '}' ? { value: '0', end: start + 1 } : undefined;
  if (!operator) return source[start] === '}' ? { value: '', end: start + 1, unset: name } : undefined;
  const word = readWord(source, start, depth);
  if (!word) return undefined;
  const { value, end } = word;
  if (operator.endsWith('-') || operator.endsWith('=')) return { value, end };
  if (operator.endsWith('?')) return { value: '', end, required: { name, why: value } };
  // `+` means: nothing if it is unset. Cutting, replacing and changing the case leave an empty value empty.
  return operator.endsWith('+') ? { value: '', end } : { value: '', end, unset: name };
}

/** What stands behind the operator, up to the closing brace on the same line. */
function readWord(source: string, from: number, depth: number): { value: string; end: number } | undefined {
  let value = '';
  for (let end = from; end < source.length && source[end] !== '\n'; ) {
    if (source[end] === '}') return { value, end: end + 1 };
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
