import type { LogLine } from '../../../../core/deploy.ts';
import { apiPaths } from '../../../../core/paths.ts';

export interface LogListener {
  lines(lines: LogLine[]): void;
  state(state: LogState): void;
}

/** `lost`: the link broke and is being made again; nothing is missed, lines are numbered. */
export type LogState = 'loading' | 'streaming' | 'ended' | 'lost';

/** A burst of lines becomes one change of the page. */
const flushMs = 50;

/** Follows the log of one push from its first line to its end. Returns the way to stop. */
export function followLog(pushId: string, listener: LogListener): () => void {
  const source = new EventSource(apiPaths.logStream(pushId));
  let waiting: LogLine[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    const lines = waiting;
    waiting = [];
    if (lines.length > 0) listener.lines(lines);
  };
  const received = (message: MessageEvent<string>) => {
    waiting.push(JSON.parse(message.data) as LogLine);
    timer ??= setTimeout(flush, flushMs);
  };
  source.addEventListener('open', () => listener.state('streaming'));
  source.addEventListener('line', received);
  source.addEventListener('end', () => {
    source.close();
    flush();
    listener.state('ended');
  });
  source.addEventListener('error', () => listener.state('lost'));
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
