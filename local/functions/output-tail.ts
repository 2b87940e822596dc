import { stripVTControlCharacters } from 'node:util';

const maxTailBytes = 8_192;
const maxCauseLength = 300;

/** The last of what a process said, for telling why it ended. */
export interface OutputTail {
  push(chunk: Buffer): void;
  /** The one line that says most about a failure, fit for one line of text; empty if there is none. */
  cause(): string;
  includes(pattern: RegExp): boolean;
}

export function createOutputTail(): OutputTail {
  let kept = Buffer.alloc(0);
  const text = () => stripVTControlCharacters(kept.toString('utf8'));
  return {
    push(chunk) {
      kept = Buffer.concat([kept, chunk]).subarray(-maxTailBytes);
    },
    cause: () => tellingLine(text()),
    includes: (pattern) => pattern.test(text()),
  };
}

const namedError = /^(?:Uncaught )?[\w.$]*(?:Error|Exception|Interrupt|panic)\b.*/;
const noise = /^(?:at |Node\.js v\d|\^+$|[}\])]+$)/;

/** Runtimes print the error's own line before a stack (node) or after it (Python); other lines say less. */
function tellingLine(text: string): string {
  const lines = text
    .split(/\r?\n/)
    .map((line) => printable(line.trim()))
    .filter((line) => line !== '' && !noise.test(line));
  const line = lines.findLast((candidate) => namedError.test(candidate)) ?? lines.at(-1) ?? '';
  return line.length > maxCauseLength ? `${line.slice(0, maxCauseLength)}…` : line;
}

function printable(line: string): string {
  return line.replace(/\p{Cc}+/gu, ' ');
}
