import { createHmac } from 'node:crypto';
import { request } from 'node:http';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { readBody } from '../../runtime/http-service.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Tells the builder about an event, through the same door as a forge does. */
export interface WebhookClient {
  /**
   * Resolves once it is accepted, with the id of the delivery that does the work: another one's if this is a
   * duplicate. Throws `unavailable` after a few tries, at once if it is refused for good.
   */
  deliver(event: SourceEvent, signal: AbortSignal): Promise<string>;
}

const tries = 6;
const tryTimeoutMs = 10_000;
const maxAnswerBytes = 64 * 1024;
const Answer = z.object({ id: z.string().min(1).max(200) });
const worthRetrying = (status: number) => status >= 500 || status === 408 || status === 429;

/** `sha256=<hex>` of the bytes as they are sent. */
export function signature(body: Uint8Array, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

interface Posted {
  status: number;
  text: string;
}

function post(url: string, body: Buffer, secret: string, signal: AbortSignal): Promise<Posted> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(tryTimeoutMs)]);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      agent: false,
      signal: limited,
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        'x-towline-signature-256': signature(body, secret),
      },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      readBody(response, maxAnswerBytes).then(
        (text) => resolve({ status: response.statusCode ?? 0, text: text.toString('utf8') }),
        reject,
      );
    });
    outgoing.end(body);
  });
}

function acceptedId(text: string): string | undefined {
  try {
    return Answer.safeParse(JSON.parse(text)).data?.id;
  } catch {
    return undefined;
  }
}

type Attempt = { type: 'accepted'; id: string } | { type: 'failed'; cause: unknown; retry: boolean };

/** Posts to one URL of the platform itself. */
export function createWebhookClient(
  config: { url: string; secret: string },
  deps: { logger: Logger },
): WebhookClient {
  async function attempt(event: SourceEvent, body: Buffer, signal: AbortSignal): Promise<Attempt> {
    try {
      const { status, text } = await post(config.url, body, config.secret, signal);
      if (status >= 200 && status < 300) return { type: 'accepted', id: acceptedId(text) ?? event.id };
      return { type: 'failed', cause: new Error(`answered ${status}`), retry: worthRetrying(status) };
    } catch (cause) {
      return { type: 'failed', cause, retry: true };
    }
  }

  return {
    async deliver(event, signal) {
      const body = Buffer.from(JSON.stringify(event));
      for (let number = 1; ; number += 1) {
        signal.throwIfAborted();
        const result = await attempt(event, body, signal);
        if (result.type === 'accepted') return result.id;
        const { cause, retry } = result;
        deps.logger.warn({ err: cause, deliveryId: event.id }, 'the webhook did not accept an event');
        if (!retry || number === tries) {
          throw new TowlineError('unavailable', 'the builder did not accept the event', { cause });
        }
        await delay(backoffMs(number, { firstMs: 100, maxMs: 2_000 }), signal);
      }
    },
  };
}
