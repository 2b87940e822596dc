import type { IncomingMessage } from 'node:http';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';

export interface BodyReaderOptions {
  /** Bytes of all bodies that are being read, beyond each one's first 256 kB. Default: 100 MB. */
  maxBytesAtOnce?: number | undefined;
  /** Milliseconds for a whole body. Default: 10 s, which is how long GitHub waits for an answer. */
  timeoutMs?: number | undefined;
}

const free = 256_000;

/**
 * Reads bodies whose senders nobody knows yet: each is bounded, and so are all of them together. The bytes of a body
 * count until `release`.
 */
export function createBodyReader({
  maxBytesAtOnce = 100_000_000,
  timeoutMs = 10_000,
}: BodyReaderOptions = {}) {
  let reserved = 0;

  async function* counted(
    source: AsyncIterable<Buffer>,
    reservation: { bytes: number },
  ): AsyncGenerator<Buffer> {
    let size = 0;
    for await (const chunk of source) {
      size += chunk.length;
      const more = Math.max(0, size - free) - reservation.bytes;
      if (reserved + more > maxBytesAtOnce) {
        throw new TowlineError('unavailable', 'too many large bodies come at once');
      }
      reserved += more;
      reservation.bytes += more;
      yield chunk;
    }
  }

  return {
    async read(req: IncomingMessage, maxBytes: number): Promise<{ body: Buffer } & Disposable> {
      if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
        throw new TowlineError('too_large', `the body is larger than ${maxBytes} bytes`);
      }
      const reservation = { bytes: 0 };
      const release = () => {
        reserved -= reservation.bytes;
        reservation.bytes = 0;
      };
      const timer = setTimeout(() => req.destroy(), timeoutMs);
      try {
        // Keeps the connection open for the answer when the body turns out too large.
        const source = req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
        const body = await readBody(counted(source, reservation), maxBytes);
        return { body, [Symbol.dispose]: release };
      } catch (error) {
        release();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
