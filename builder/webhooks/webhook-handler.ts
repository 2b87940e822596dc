import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'koa';
import { TowlineError } from '../../core/errors.ts';
import { createHttpApp } from '../../runtime/http-service.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type BodyReaderOptions, createBodyReader } from './body-reader.ts';
import type { Hook, RawDelivery } from './hooks.ts';
import type { Intake, Taken } from './intake.ts';
import { nothing, type Outcome } from './translation.ts';

export interface WebhookDeps extends BodyReaderOptions {
  hooks: readonly Hook[];
  intake: Intake;
  logger: Logger;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new TowlineError('bad_request', 'the body is not JSON');
  }
}

function translated(hook: Hook, raw: RawDelivery): Outcome[] {
  try {
    return hook.translate(raw, parseJson(raw.body));
  } catch (error) {
    const isUnreadable = error instanceof TowlineError && error.code === 'bad_request';
    if (!isUnreadable || !hook.passesUnreadable) throw error;
    return nothing(error.message);
  }
}

/** Forges show it to whoever looks after the webhook; of Gitea's there is no other place on the forge to tell. */
function bodyOf(taken: Exclude<Taken, { type: 'ignored' }> | undefined): object {
  if (!taken) return { id: null };
  const { id } = taken;
  if (taken.type === 'duplicate') return { id, duplicate: true };
  return taken.skipped === undefined ? { id } : { id, skipped: taken.skipped };
}

function badSignature(): TowlineError {
  return new TowlineError('bad_signature', 'the signature is missing or wrong');
}

/**
 * `POST /webhooks/…`. The order is fixed: method, content type, whether it can be signed at all, size, signature over
 * the raw bytes; only then is anything parsed, looked up or logged. Answered with 202 once it is durable.
 */
export function createWebhookHandler(deps: WebhookDeps): (req: IncomingMessage, res: ServerResponse) => void {
  const { intake, logger } = deps;
  const hooks = new Map(deps.hooks.map((hook) => [hook.path, hook]));
  const bodies = createBodyReader(deps);
  const app = createHttpApp(logger);

  async function take(hook: Hook, raw: RawDelivery): Promise<Taken[]> {
    if (!(await hook.isSigned(raw))) throw badSignature();
    const outcomes = translated(hook, raw);
    const taken: Taken[] = [];
    // One after the other: what leaves comes before what arrives.
    for (const outcome of outcomes) {
      taken.push(await (hook.isOwn(raw) ? intake.takeOwn(outcome) : intake.take(outcome)));
    }
    return taken;
  }

  function answer(ctx: Context, hook: Hook, taken: readonly Taken[]): void {
    const first = taken.find((each) => each.type !== 'ignored');
    ctx.status = 202;
    ctx.body = bodyOf(first);
    for (const each of taken) {
      const about = each.type === 'ignored' ? { reason: each.reason } : { deliveryId: each.id };
      logger.info({ hook: hook.path, result: each.type, ...about }, 'webhook accepted');
    }
  }

  app.use(async (ctx) => {
    const hook = hooks.get(ctx.path);
    if (!hook) throw new TowlineError('not_found', 'there is no such webhook');
    if (ctx.method !== 'POST') {
      ctx.status = 405;
      ctx.set('Allow', 'POST');
      ctx.body = { code: 'bad_request', detail: 'webhooks are POSTed' };
      return;
    }
    if (!ctx.is('application/json')) {
      throw new TowlineError('unsupported_media_type', 'the content type must be application/json');
    }
    try {
      if (!hook.maySign(ctx.headers)) throw badSignature();
      using read = await bodies.read(ctx.req, hook.maxBytes);
      answer(ctx, hook, await take(hook, { body: read.body, headers: ctx.headers }));
    } catch (error) {
      // Of a body that isn't read to its end the rest would be taken for the next request.
      if (!ctx.req.complete) ctx.set('Connection', 'close');
      throw error;
    }
  });
  const handle = app.callback();
  return (req, res) => void handle(req, res);
}
