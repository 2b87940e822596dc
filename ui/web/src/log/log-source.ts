import type { LogLine } from '../../../../core/deploy.ts';

/** Where a log comes from. */
export interface LogPlace {
  /** The address of its stream, from the line after `last` on if it is one that can be resumed. */
  stream(last: number): string;
  /** All of it as text. */
  text: string;
  /** The name of the downloaded file. */
  fileName: string;
}

export interface LogListener {
  lines(lines: LogLine[]): void;
  /** The stream begins anew: lines from before are told again. */
  start(): void;
  state(state: LogState): void;
}

/** `lost`: the link broke and is being made again; nothing is missed, lines are numbered. */
export type LogState = 'loading' | 'streaming' | 'ended' | 'lost';

/** A burst of lines becomes one change of the page. */
const flushMs = 50;

/** The browser gives up for good on an answer that is not a stream (a restart, a proxy's error): then we try. */
const reopenMs = 2000;

/** Follows a log from its first line to its end. Returns the way to stop. */
export function followLog(place: LogPlace, listener: LogListener): () => void {
  let source: EventSource;
  let waiting: LogLine[] = [];
  let last = 0;
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  let reopenTimer: ReturnType<typeof setTimeout> | undefined;

  const flush = () => {
    flushTimer = undefined;
    const lines = waiting;
    waiting = [];
    if (lines.length > 0) listener.lines(lines);
  };
  const received = (message: MessageEvent<string>) => {
    const line = JSON.parse(message.data) as LogLine;
    last = line.n;
    waiting.push(line);
    flushTimer ??= setTimeout(flush, flushMs);
  };
  const started = () => {
    waiting = [];
    last = 0;
    listener.start();
  };
  const ended = () => {
    source.close();
    clearTimeout(flushTimer);
    flush();
    listener.state('ended');
  };
  const lost = () => {
    listener.state('lost');
    if (source.readyState === EventSource.CLOSED) reopenTimer = setTimeout(open, reopenMs);
  };
  function open(): void {
    source = new EventSource(place.stream(last));
    source.addEventListener('open', () => listener.state('streaming'));
    source.addEventListener('start', started);
    source.addEventListener('line', received);
    source.addEventListener('end', ended);
    source.addEventListener('error', lost);
  }
  open();
  return () => {
    clearTimeout(flushTimer);
    clearTimeout(reopenTimer);
    source.close();
  };
}
