import type { IncomingMessage, ServerResponse } from 'node:http';
import { TowlineError } from '../../core/errors.ts';
import { ForgeEvent } from '../../core/source-event.ts';
import { createHttpApp, readBody } from '../../runtime/http-service.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { AppendResult } from '../deliveries/delivery-log.ts';
import { createSignatureCheck } from './signature.ts';

export interface WebhookDeps {
  secrets: readonly string[];
  logger: Logger;
  /** Durable when it resolves. */
  accept: (event: ForgeEvent) => Promise<AppendResult>;
}

const path = '/webhooks/git';
const maxBytes = 1_000_000;
const readTimeoutMs = 10_000;
const signatureHeader = 'x-towline-signature-256';

async function readLimited(req: IncomingMessage): Promise<Buffer> {
  const tooLarge = new TowlineError('too_large', `the body is larger than ${maxBytes} bytes`);
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) throw tooLarge;
  const timer = setTimeout(() => req.destroy(), readTimeoutMs);
  try {
    // Keeps the connection open for the answer when the body turns out too large.
    return await readBody(req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>, maxBytes);
  } finally {
    clearTimeout(timer);
  }
}

function parseEvent(body: Buffer): ForgeEvent {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new TowlineError('bad_request', 'the body is not JSON');
  }
  const result = ForgeEvent.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.map(String).join('.') ?? '';
  throw new TowlineError('bad_request', `the event is not valid at "${at.slice(0, 100)}"`);
}

/**
 * `POST /webhooks/git`. The order is fixed: method, content type, size, signature over the raw bytes; only then is
 * anything parsed, looked up or logged.
 */
export function createWebhookHandler(deps: WebhookDeps): (req: IncomingMessage, res: ServerResponse) => void {
  const isSigned = createSignatureCheck(deps.secrets);
  const app = createHttpApp(deps.logger);
  app.use(async (ctx) => {
    if (ctx.path !== path) throw new TowlineError('not_found', 'there is no such webhook');
    if (ctx.method !== 'POST') {
      ctx.status = 405;
      ctx.set('Allow', 'POST');
      ctx.body = { code: 'bad_request', detail: 'webhooks are POSTed' };
      return;
    }
    if (!ctx.is('application/json')) {
      throw new TowlineError('unsupported_media_type', 'the content type must be application/json');
    }
    let body: Buffer;
    try {
      body = await readLimited(ctx.req);
    } catch (error) {
      ctx.set('Connection', 'close');
      throw error;
    }
    if (!(await isSigned(body, ctx.get(signatureHeader) || undefined))) {
      throw new TowlineError('bad_signature', 'the signature is missing or wrong');
    }
    const event = parseEvent(body);
    const result = await deps.accept(event);
    ctx.status = 202;
    ctx.body =
      result.type === 'accepted' ? { id: result.delivery.event.id } : { id: result.id, duplicate: true };
    deps.logger.info({ deliveryId: event.id, type: event.type, result: result.type }, 'webhook accepted');
  });
  const handle = app.callback();
  return (req, res) => void handle(req, res);
}
