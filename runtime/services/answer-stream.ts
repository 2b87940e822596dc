import type { ServerResponse } from 'node:http';
import { answerType, type CallLine } from './wire.ts';

/** The answer to one call, line by line, with signs of life in between. */
export interface AnswerStream {
  /** Aborts when the caller is gone before the end. */
  gone: AbortSignal;
  /** Resolves once there is room for more; rejects when the caller is gone. */
  tell(item: unknown): Promise<void>;
  /** The last line. The status is only seen if it is the first one too. */
  end(line: CallLine, status: number): void;
}

/** An answer that is there before the first sign of life is one write with its length. */
export function openAnswer(response: ServerResponse, heartbeatMs: number): AnswerStream {
  const gone = new AbortController();
  const heartbeat = setInterval(() => write({ type: 'alive' }), heartbeatMs);
  const headers = { 'content-type': answerType, 'cache-control': 'no-store' };
  response.on('error', () => response.destroy());
  response.once('close', () => {
    clearInterval(heartbeat);
    if (!response.writableFinished) gone.abort(new Error('the caller is gone'));
  });
  if (response.destroyed) gone.abort(new Error('the caller is gone'));

  function write(line: CallLine): void {
    if (response.writableEnded || response.destroyed) return;
    if (!response.headersSent) response.writeHead(200, headers);
    // A caller that doesn't read is not given more; its own clock tells it that something is wrong.
    if (line.type === 'alive' && response.writableNeedDrain) return;
    response.write(`${JSON.stringify(line)}\n`);
  }

  return {
    gone: gone.signal,
    async tell(value) {
      gone.signal.throwIfAborted();
      write({ type: 'item', value });
      if (response.writableNeedDrain) await drained(response, gone.signal);
    },
    end(line, status) {
      clearInterval(heartbeat);
      if (response.writableEnded || response.destroyed) return;
      const body = `${JSON.stringify(line)}\n`;
      if (!response.headersSent) {
        response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
      }
      response.end(body);
    },
  };
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      if (gone.aborted) reject(gone.reason);
      else resolve();
    };
    response.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
  });
}
