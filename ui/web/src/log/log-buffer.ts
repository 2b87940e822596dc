import type { LogLine } from '../../../../core/deploy.ts';

/** More rows than this cannot be shown: browsers cap an element's height. The download has them all. */
export const maxLines = 500_000;

/** The lines of one push in order, each once, however often the stream repeats them. */
export class LogBuffer {
  readonly #lines: LogLine[] = [];
  #last = 0;
  #shown: LogLine[] = this.#lines;
  #filter: string | null = null;
  #functions = new Set<string>();
  overflow = 0;

  get lastNumber(): number {
    return this.#last;
  }

  get total(): number {
    return this.#lines.length;
  }

  /** Functions that have lines of their own. */
  get functions(): string[] {
    return [...this.#functions].sort();
  }

  /** What the view shows: lines of the chosen function and those of the whole push. */
  get shown(): readonly LogLine[] {
    return this.#shown;
  }

  get filter(): string | null {
    return this.#filter;
  }

  /** How many of them are shown. Lines at or before the last one known are repeats. */
  append(lines: readonly LogLine[]): number {
    let added = 0;
    for (const line of lines) {
      if (line.n <= this.#last) continue;
      this.#last = line.n;
      if (line.functionName) this.#functions.add(line.functionName);
      if (this.#lines.length >= maxLines) {
        this.overflow += 1;
        continue;
      }
      this.#lines.push(line);
      if (this.#filter === null) added += 1;
      else if (this.#matches(line)) {
        this.#shown.push(line);
        added += 1;
      }
    }
    return added;
  }

  setFilter(functionName: string | null): void {
    this.#filter = functionName;
    this.#shown = functionName === null ? this.#lines : this.#lines.filter((line) => this.#matches(line));
  }

  /** Where line `n` is in the view, or the nearest one before it; -1 if there is none. */
  indexOf(n: number): number {
    let low = 0;
    let high = this.#shown.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const number = this.#shown[middle]?.n ?? 0;
      if (number === n) return middle;
      if (number < n) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  firstError(): LogLine | undefined {
    return this.#lines.find((line) => line.kind === 'error');
  }

  #matches(line: LogLine): boolean {
    return line.functionName === null || line.functionName === this.#filter;
  }
}

/** The line of `#L120`; of a range its first. */
export function lineOfHash(hash: string): number | undefined {
  const found = /^#L(\d{1,9})(?:-L?\d{1,9})?$/.exec(hash)?.[1];
  return found === undefined ? undefined : Number(found);
}
