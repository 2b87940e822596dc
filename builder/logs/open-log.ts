import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { LogLine } from '../../core/deploy.ts';
import { maxLineLength } from './build-log-store.ts';
import { readLines, recoverLog } from './log-file.ts';

export interface OpenLogOptions {
  path: string;
  /** Bytes of the log's file for output. */
  maxBytes: number;
  onError: (error: unknown) => void;
}

/** Bytes beyond `maxBytes` for phases, warnings and errors. */
const reserveBytes = 262_144;
/** Milliseconds that lines gather in memory before they are written together. */
const gatherMs = 40;

interface PendingLine {
  line: LogLine;
  text: string;
  /** Byte position in the file after this line. */
  end: number;
}

export interface OpenLog {
  append(line: Omit<LogLine, 'n'>): LogLine | undefined;
  read(after: number, signal: AbortSignal): AsyncGenerator<LogLine>;
  close(): Promise<void>;
}

function cutText(text: string): string {
  return text.length <= maxLineLength ? text : `${text.slice(0, maxLineLength)} … (line cut)`;
}

async function writeAt(path: string, bytes: Buffer, position: number): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  } finally {
    await file.close();
  }
}

/** One log that is being written. Slow readers read the file, so that they hold no memory. */
export function openLog(options: OpenLogOptions): OpenLog {
  const { path, maxBytes, onError } = options;
  const found = recoverLog(path);
  let lastNumber = found.lastNumber;
  let bytes = found.bytes;
  let writtenBytes = bytes;
  let pending: PendingLine[] = [];
  let isCut = bytes >= maxBytes;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  const waiting = new Set<() => void>();

  function wakeReaders(): void {
    for (const wake of waiting) wake();
    waiting.clear();
  }

  /** Written at a position: what fails, as on a full disk, stays in memory and is tried again with the next lines. */
  async function write(): Promise<void> {
    const count = pending.length;
    const end = pending.at(-1)?.end;
    if (end === undefined) return;
    try {
      await writeAt(path, Buffer.from(pending.map((entry) => entry.text).join('')), writtenBytes);
      writtenBytes = end;
      pending = pending.slice(count);
    } catch (error) {
      onError(error);
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(write);
    return writing;
  }

  function push(line: Omit<LogLine, 'n'>): LogLine {
    lastNumber += 1;
    const numbered: LogLine = { n: lastNumber, ...line };
    const text = `${JSON.stringify(numbered)}\n`;
    bytes += Buffer.byteLength(text);
    pending.push({ line: numbered, text, end: bytes });
    timer ??= setTimeout(flush, gatherMs);
    wakeReaders();
    return numbered;
  }

  function hasRoom(kind: LogLine['kind']): boolean {
    return bytes < (kind === 'output' ? maxBytes : maxBytes + reserveBytes);
  }

  async function* unread(from: number, signal: AbortSignal): AsyncGenerator<{ line: LogLine; end: number }> {
    let offset = from;
    // Lines move from memory to the file meanwhile: only when the file is used up is memory the rest of it.
    while (offset < writtenBytes && !signal.aborted) {
      const before = offset;
      for await (const entry of readLines(path, offset, writtenBytes)) {
        offset = entry.end;
        yield entry;
      }
      if (offset === before) return;
    }
    yield* pending.filter((entry) => entry.end > offset);
  }

  function nextChange(signal: AbortSignal, offset: number): Promise<void> {
    const lastSeen = pending.at(-1)?.end ?? writtenBytes;
    if (closed || signal.aborted || lastSeen > offset) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        waiting.delete(wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  async function* read(after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    let offset = 0;
    while (!signal.aborted) {
      const wasClosed = closed;
      const expected = writtenBytes;
      for await (const { line, end } of unread(offset, signal)) {
        offset = end;
        if (line.n > after) yield line;
      }
      // Not even what was written is there: somebody took the file away.
      if (wasClosed || offset < expected) return;
      await nextChange(signal, offset);
    }
  }

  return {
    append(line) {
      if (closed) return undefined;
      if (hasRoom(line.kind)) return push({ ...line, text: cutText(line.text) });
      if (isCut) return undefined;
      isCut = true;
      return push({
        ...line,
        kind: 'warning',
        text: `log cut at ${maxBytes} bytes; further output is dropped`,
      });
    },
    read,
    async close() {
      closed = true;
      await flush();
      wakeReaders();
    },
  };
}
