/** Lines are mounted and measured in chunks of this many. */
export const chunkSize = 25;

export interface LogWindow {
  /** Index of the first chunk shown. */
  first: number;
  /** Index after the last chunk shown. */
  end: number;
  /** Height in pixels of what is left out above and below. */
  above: number;
  below: number;
}

/**
 * Heights of a log's chunks: an estimate by the number of lines until a chunk was measured. Without wrapping
 * the estimate is exact; with wrapping, measuring corrects it as the reader goes along.
 */
export class ChunkHeights {
  #measured = new Map<number, number>();
  #lines = 0;
  #lineHeight: number;

  constructor(lineHeight: number) {
    this.#lineHeight = lineHeight;
  }

  get chunks(): number {
    return Math.ceil(this.#lines / chunkSize);
  }

  /** Growing keeps what was measured, except for a last chunk that was not full. */
  setLines(lines: number): void {
    if (lines < this.#lines) this.#measured.clear();
    else if (lines > this.#lines && this.#lines % chunkSize !== 0) this.#measured.delete(this.chunks - 1);
    this.#lines = lines;
  }

  /** After a change of width, wrapping or filter. */
  reset(): void {
    this.#measured.clear();
  }

  /** The difference to what was assumed before. */
  measure(chunk: number, height: number): number {
    const difference = height - this.heightOf(chunk);
    if (difference !== 0) this.#measured.set(chunk, height);
    return difference;
  }

  heightOf(chunk: number): number {
    const measured = this.#measured.get(chunk);
    if (measured !== undefined) return measured;
    return Math.max(0, Math.min(chunkSize, this.#lines - chunk * chunkSize)) * this.#lineHeight;
  }

  /** Distance of a chunk's upper edge from the top of the log. */
  topOf(chunk: number): number {
    let top = 0;
    for (let index = 0; index < chunk && index < this.chunks; index++) top += this.heightOf(index);
    return top;
  }

  total(): number {
    return this.topOf(this.chunks);
  }

  /** The chunks within the view, and `margin` pixels around it. */
  windowAt(top: number, viewport: number, margin: number): LogWindow {
    const from = top - margin;
    const to = top + viewport + margin;
    const window: LogWindow = { first: this.chunks, end: this.chunks, above: 0, below: 0 };
    let edge = 0;
    for (let chunk = 0; chunk < this.chunks; chunk++) {
      const height = this.heightOf(chunk);
      if (edge + height <= from) window.above += height;
      else if (edge >= to) window.below += height;
      else {
        window.first = Math.min(window.first, chunk);
        window.end = chunk + 1;
      }
      edge += height;
    }
    if (window.first === this.chunks) return this.#lastChunk(edge);
    return window;
  }

  /** A position beyond the end shows the end. */
  #lastChunk(total: number): LogWindow {
    const first = Math.max(0, this.chunks - 1);
    return { first, end: this.chunks, above: total - this.heightOf(first), below: 0 };
  }
}
