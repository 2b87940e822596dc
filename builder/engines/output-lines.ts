import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** Longer lines are split, so that no program makes the log's reader hold a line without end. */
const maxLineLength = 8192;

/** What a line is part of: a long one comes in pieces, with pieces of other streams between them. */
export interface LinePart {
  /** The step and the stream it was printed to; of no meaning in itself. */
  stream: string;
  /** The next piece of this stream is the same line's. */
  goesOn: boolean;
}

export type OnLine = (line: string, part: LinePart) => void;

export interface OutputLines {
  write(chunk: Buffer, stream: 'stdout' | 'stderr'): void;
  /** Hands out what came without a line end. */
  end(): void;
}

/** Cuts the output of a program into lines. Of a line that `\r` overwrites, as progress bars do, the last state counts. */
export function createOutputLines(onLine: OnLine): OutputLines {
  const cutter = (stream: string) => createLineCutter((line, goesOn) => onLine(line, { stream, goesOn }));
  const streams = { stdout: cutter('stdout'), stderr: cutter('stderr') };
  return {
    write: (chunk, stream) => streams[stream].write(chunk),
    end() {
      streams.stdout.end();
      streams.stderr.end();
    },
  };
}

interface LineCutter {
  write(chunk: Buffer): void;
  end(): void;
}

function createLineCutter(onLine: (line: string, goesOn: boolean) => void): LineCutter {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const emit = (line: string) => {
    let left = lastState(line);
    while (left.length > maxLineLength) {
      const end = splitPoint(left);
      onLine(left.slice(0, end), true);
      left = left.slice(end);
    }
    onLine(left, false);
  };
  const shorten = () => {
    if (rest.length <= maxLineLength) return;
    rest = dropOverwritten(rest);
    while (rest.length > maxLineLength + 1) {
      const end = splitPoint(rest);
      onLine(rest.slice(0, end), true);
      rest = rest.slice(end);
    }
  };
  return {
    write(chunk) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) emit(line);
      shorten();
    },
    end() {
      rest += decoder.end();
      if (rest !== '') emit(rest);
      rest = '';
    },
  };
}

/** What is seen of a line in the end. */
export function lastState(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\r') end -= 1;
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}

/** As `lastState`, but of a line that goes on: a `\r` at its end may belong to the line end that follows. */
function dropOverwritten(line: string): string {
  return line.slice(line.lastIndexOf('\r', line.length - 2) + 1);
}

/** Not between the two halves of a character. */
function splitPoint(line: string): number {
  const code = line.charCodeAt(maxLineLength - 1);
  return code >= 0xd800 && code <= 0xdbff ? maxLineLength - 1 : maxLineLength;
}

const keptLines = 200;
const noise =
  /^(?:npm (?:error|ERR!) *(?:A complete log|Lifecycle script|code |errno |path |workspace |location |command |$)|at |Node\.js v|[\s^~{}|=*-]*$)/i;
const telling = /\b\w*error\b|\bfail(?:ed|ure)\b|\bcannot\b|not found|no such|unable|denied/i;

export interface ErrorLine {
  /** Pieces of a longer line are left out: a secret may be cut in two between them. */
  see(line: string, part?: LinePart): void;
  /** The line that most likely says why; empty if there was no output. */
  get(): string;
}

/** Watches a step's output for the line to show as the cause, should the step fail. */
export function createErrorLine(): ErrorLine {
  // Most of what is seen is never asked for: it is looked at only in the end.
  const lines: string[] = [];
  const unfinished = new Set<string>();
  const plainLines = () =>
    lines.map((line) => stripVTControlCharacters(line).trim()).filter((line) => !noise.test(line));
  function isPiece({ stream, goesOn }: LinePart): boolean {
    const continues = unfinished.delete(stream);
    if (goesOn) unfinished.add(stream);
    return continues || goesOn;
  }

  return {
    see(line, part) {
      if (part && isPiece(part)) return;
      lines.push(line);
      if (lines.length >= 2 * keptLines) lines.splice(0, keptLines);
    },
    get() {
      const plain = plainLines();
      return plain.findLast((line) => telling.test(line)) ?? plain.at(-1) ?? '';
    },
  };
}
