import type { LogLine } from '../../core/deploy.ts';

/** Text longer than this is cut; in characters. */
export const maxLineLength = 8192;

export interface LogRetention {
  /** Milliseconds since the epoch: what was not written to since then goes. */
  after: number;
  /** Of all logs together. */
  maxBytes: number;
}

/** One stored log, to decide which ones go. */
export interface StoredLog {
  name: string;
  bytes: number;
  writtenAt: number;
}

/** The logs that have to go so that the others keep to the limits. */
export function beyondRetention(
  stored: readonly StoredLog[],
  { after, maxBytes }: LogRetention,
): StoredLog[] {
  let bytes = 0;
  const newestFirst = stored.toSorted((a, b) => b.writtenAt - a.writtenAt);
  return newestFirst.filter((log) => {
    bytes += log.bytes;
    return log.writtenAt < after || bytes > maxBytes;
  });
}

/** The lines of each push's log: appended, bounded, followed live, kept after the process. */
export interface BuildLogStore extends AsyncDisposable {
  /** Makes a log ready for lines; one that was open when a process died goes on after its last whole line. */
  open(pushId: string): void;
  /**
   * Gives the line its number; readers see it at once, the disk a moment later. `undefined`: dropped, because the log
   * is full. Output is dropped first; phases, warnings and errors have a reserve, so that the end is always told.
   */
  append(pushId: string, line: Omit<LogLine, 'n'>): LogLine | undefined;
  /** Everything is on disk and readers end. Appending needs another `open`. */
  close(pushId: string): Promise<void>;
  /** Lines after number `after`, then new ones as they come, until the log is closed or the signal aborts. */
  read(pushId: string, after: number, signal: AbortSignal): AsyncIterable<LogLine>;
  remove(pushId: string): Promise<void>;
  /** Removes logs that are not open: those that are too old, then the oldest until the rest is small enough. */
  retain(limits: LogRetention): Promise<void>;
}
