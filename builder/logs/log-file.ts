import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { LogLine } from '../../core/deploy.ts';

/** A line of `maxLineLength` characters, each escaped to six bytes, and its fields, fit into this. */
const longestRecord = 65_536;
const readSize = 65_536;
const newline = 0x0a;

/** Where an interrupted log goes on. */
export interface LogEnd {
  lastNumber: number;
  bytes: number;
}

/** Finds the end of the last whole line and cuts off what a death in the middle of a write left after it. */
export function recoverLog(path: string): LogEnd {
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lastNumber: 0, bytes: 0 };
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(0, size - 2 * longestRecord);
    const tail = Buffer.alloc(size - start);
    readSync(fd, tail, 0, tail.length, start);
    const end = tail.lastIndexOf(newline) + 1;
    if (end < tail.length) ftruncateSync(fd, start + end);
    if (end === 0) return { lastNumber: 0, bytes: start };
    const lineStart = end < 2 ? 0 : tail.lastIndexOf(newline, end - 2) + 1;
    const last = JSON.parse(tail.toString('utf8', lineStart, end)) as LogLine;
    return { lastNumber: last.n, bytes: start + end };
  } finally {
    closeSync(fd);
  }
}

/** The whole lines from byte `offset` to at most byte `limit`, read in pieces. */
export async function* readLines(
  path: string,
  offset: number,
  limit: number,
): AsyncGenerator<{ line: LogLine; end: number }> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    let rest = Buffer.alloc(0);
    let position = offset;
    while (position < limit) {
      const piece = Buffer.alloc(Math.min(readSize, limit - position));
      const { bytesRead } = await file.read(piece, 0, piece.length, position);
      if (bytesRead === 0) return;
      const base = position - rest.length;
      position += bytesRead;
      const bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        const line = JSON.parse(bytes.toString('utf8', start, end)) as LogLine;
        start = end + 1;
        yield { line, end: base + start };
      }
      rest = bytes.subarray(start);
    }
  } finally {
    await file.close();
  }
}
