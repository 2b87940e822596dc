import type { IncomingMessage } from 'node:http';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';

export interface BodyReaderOptions {
  /** Bytes of all bodies that are being read, beyond each one's first 16 kB. Default: 64 MB. */
  maxBytesAtOnce?: number | undefined;
  /** One more, and the one that has been coming longest is cut off. Default: 1,000. */
  maxBodiesAtOnce?: number | undefined;
  /** Milliseconds for a whole body. Default: 10 s, which is how long GitHub waits for an answer. */
  timeoutMs?: number | undefined;
}

/** Most pushes are no larger: they get through however many large bodies come. */
const free = 16_000;
/** A body may come in many small parts, each of which takes up more than its bytes. */
const bytesOfPart = 256;

/**
 * Reads bodies whose senders nobody knows yet: each is bounded, and so are all of them together. The bytes of a body
 * count until `release`.
 */
export function createBodyReader({
  maxBytesAtOnce = 64_000_000,
  maxBodiesAtOnce = 1000,
  timeoutMs = 10_000,
}: BodyReaderOptions = {}) {
  let reserved = 0;
  /** In order of their arrival. */
  const coming = new Set<IncomingMessage>();

  async function* counted(
    source: AsyncIterable<Buffer>,
    reservation: { bytes: number },
  ): AsyncGenerator<Buffer> {
    let size = 0;
    for await (const chunk of source) {
      size += chunk.length + bytesOfPart;
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
      // Who means it needs no time at all; who only holds a place gives way.
      const [oldest] = coming;
      if (coming.size >= maxBodiesAtOnce) oldest?.destroy();
      coming.add(req);
      req.once('close', () => coming.delete(req));
      const timer = setTimeout(() => req.destroy(), timeoutMs);
      try {
        // Keeps the connection open for the answer when the body turns out too large.
        const source = req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
        const body = await readBody(counted(source, reservation), maxBytes);
        return { body, [Symbol.dispose]: release };
      } catch (error) {
        release();
        if (!req.destroyed) throw error;
        throw new TowlineError('bad_request', 'the body did not come to its end');
      } finally {
        clearTimeout(timer);
        coming.delete(req);
      }
    },
  };
}
