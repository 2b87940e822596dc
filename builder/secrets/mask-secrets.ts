import type { LinePart } from '../engines/output-lines.ts';
import { minSecretLength } from './build-secrets.ts';
import { hideSpans } from './hide-spans.ts';
import { createTextSearch } from './text-search.ts';

/** As `base64` and PEM wrap their lines. */
const wrapped = [76, 64];

/** Hides the values of secrets in a program's output. One per build: it remembers the ends of lines that go on. */
export interface SecretMask {
  /** A whole text on its own, such as a cause. */
  text(text: string): string;
  /**
   * The next line of output, or a piece of one; `undefined` if it is kept until it is clear what it is part of. Not
   * given: it is a whole line.
   */
  line(text: string, part?: LinePart): string | undefined;
  /** What was kept. */
  end(): string[];
}

/** Base64 of the value at each of the three places it can have in a longer text, without what its neighbours decide. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const forms = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const start = [0, 2, 3][shift] ?? 0;
    const end = Math.floor(((bytes.length + shift) * 8) / 6);
    return text.slice(start, end);
  });
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

function wrappedPieces(form: string): string[] {
  return wrapped.flatMap((width) => {
    const pieces: string[] = [];
    for (let at = 0; form.length > width && at < form.length; at += width)
      pieces.push(form.slice(at, at + width));
    return pieces;
  });
}

/** The ways in which programs print a value. */
function formsOf(value: string): string[] {
  const base64 = base64Forms(value);
  const [whole = ''] = base64;
  const lines = value.split(/\r?\n/);
  return [
    value,
    ...lines,
    ...lines.map((line) => line.trim()),
    JSON.stringify(value.toWellFormed()).slice(1, -1),
    encodeURIComponent(value.toWellFormed()),
    new URLSearchParams({ v: value }).toString().slice(2),
    ...base64,
    ...wrappedPieces(whole),
    Buffer.from(value).toString('hex'),
  ];
}

export function createSecretMask(values: readonly string[]): SecretMask {
  const forms = values.flatMap(formsOf).filter((form) => form.length >= minSecretLength);
  const patterns = [...new Set(forms)];
  const search = createTextSearch(patterns);
  const longest = Math.max(0, ...patterns.map((pattern) => pattern.length));
  /** By stream. */
  const kept = new Map<string, string>();

  const whole = (text: string) => (patterns.length === 0 ? text : hideSpans(text, search.spans(text)));

  /** All but the end, in which a value may begin that goes on in the next piece. */
  function piece(text: string, stream: string): string | undefined {
    const found = search.spans(text);
    let cut = Math.max(0, text.length - longest + 1);
    for (const { start, end } of found) if (start < cut && end > cut) cut = end;
    kept.set(stream, text.slice(cut));
    const shown = hideSpans(
      text.slice(0, cut),
      found.filter(({ end }) => end <= cut),
    );
    return shown === '' ? undefined : shown;
  }

  return {
    text: whole,
    line(line, part) {
      if (patterns.length === 0 || part === undefined) return whole(line);
      const text = (kept.get(part.stream) ?? '') + line;
      if (part.goesOn) return piece(text, part.stream);
      kept.delete(part.stream);
      return whole(text);
    },
    end() {
      const rest = [...kept.values()].filter((text) => text !== '');
      kept.clear();
      return rest.map(whole);
    },
  };
}
