import { StringDecoder } from 'node:string_decoder';
import type { LogLine } from '../../core/deploy.ts';
import type { OutputLog } from './output-log.ts';

/** Of the log, read for the lines that there are already. */
const maxKeptBytes = 1_048_576;
/** For a reader that doesn't keep up; what doesn't fit is left out, and said. */
const maxWaitingBytes = 1_048_576;
const maxLineLength = 16_384;
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) /;

export interface LinesOptions {
  last: number;
  follow: boolean;
}

/** The newest lines of a log, then with `follow` those that come: see FunctionOutput in core. */
export async function* outputLines(
  log: OutputLog,
  functionName: string,
  { last, follow }: LinesOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const waiting = createWaiting(signal);
  using followed = await log.follow(maxKeptBytes, waiting);
  const reader = createLineReader(functionName);
  const kept = reader.read(followed.kept);
  if (!follow) kept.push(...reader.rest());
  let n = 0;
  for (const line of kept.slice(-last)) yield { ...line, n: ++n };
  if (!follow) return;
  for (;;) {
    const { pieces, leftOut, isOver } = await waiting.next();
    for (const line of reader.read(Buffer.concat(pieces))) yield { ...line, n: ++n };
    if (leftOut > 0) yield { ...reader.note(`${leftOut} bytes were left out`), n: ++n };
    if (isOver) return;
  }
}

/** Pieces that came since they were last asked for. */
function createWaiting(signal: AbortSignal) {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let leftOut = 0;
  let isOver = false;
  let wake: () => void = () => undefined;
  const end = () => {
    isOver = true;
    wake();
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return {
    piece(piece: Buffer) {
      if (bytes + piece.length > maxWaitingBytes) leftOut += piece.length;
      else {
        pieces.push(piece);
        bytes += piece.length;
      }
      wake();
    },
    end,
    async next() {
      if (pieces.length === 0 && leftOut === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const taken = { pieces, leftOut, isOver };
      pieces = [];
      bytes = 0;
      leftOut = 0;
      return taken;
    },
  };
}

/** Makes lines of a stream of bytes. A line without a time has that of the line before. */
function createLineReader(functionName: string) {
  const decoder = new StringDecoder('utf8');
  let unended = '';
  let time = 0;

  function lineOf(raw: string): LogLine {
    const at = stamp.exec(raw);
    if (at?.[1] !== undefined) time = Date.parse(at[1]);
    const text = raw.slice(at?.[0].length ?? 0).replace(/\r$/, '');
    return { n: 0, time, functionName, stage: 'live', kind: 'output', text: text.slice(0, maxLineLength) };
  }

  return {
    read(bytes: Buffer): LogLine[] {
      const ended = (unended + decoder.write(bytes)).split('\n');
      unended = ended.pop() ?? '';
      if (unended.length > maxLineLength) {
        ended.push(unended);
        unended = '';
      }
      return ended.map(lineOf);
    },
    rest(): LogLine[] {
      return unended === '' ? [] : [lineOf(unended)];
    },
    note: (text: string): LogLine => ({ ...lineOf(text), kind: 'warning' }),
  };
}
