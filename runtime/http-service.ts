import { randomUUID } from 'node:crypto';
import Koa from 'koa';
import type { Problem } from '../core/api.ts';
import { type ErrorCode, TowlineError } from '../core/errors.ts';
import type { Logger } from './logger.ts';

const statusOf: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthenticated: 401,
  bad_signature: 401,
  forbidden: 403,
  not_found: 404,
  timeout: 504,
  conflict: 409,
  write_conflict: 409,
  name_taken: 409,
  too_large: 413,
  unsupported_media_type: 415,
  unavailable: 503,
  remote_unavailable: 503,
  internal: 500,
};

/** The HTTP status for an error code; what isn't listed is the caller's mistake. */
export function httpStatus(code: ErrorCode): number {
  return statusOf[code] ?? 422;
}

const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Not logged in',
  403: 'Forbidden',
  404: 'Not found',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Not acceptable',
  500: 'Internal error',
  503: 'Unavailable',
  504: 'Timed out',
};

/** Turns any error into a problem; only a TowlineError's own message is shown. */
export function toProblem(error: unknown, requestId: string): Problem {
  const known =
    error instanceof TowlineError
      ? error
      : new TowlineError('internal', 'an internal error', { cause: error });
  const status = httpStatus(known.code);
  return {
    type: 'about:blank',
    title: titles[status] ?? 'Error',
    status,
    code: known.code,
    detail: known.message,
    hint: known.hint,
    place: known.place,
    requestId,
  };
}

/** A koa application with the shell every service has: a request id, and problems (RFC 9457) for errors. */
export function createHttpApp(logger: Logger): Koa {
  const app = new Koa();
  app.silent = true;
  app.use(async (ctx, next) => {
    const requestId = randomUUID();
    ctx.state['requestId'] = requestId;
    ctx.set('X-Towline-Request-Id', requestId);
    try {
      await next();
    } catch (error) {
      const problem = toProblem(error, requestId);
      if (problem.status >= 500) logger.error({ err: error, requestId, path: ctx.path }, 'request failed');
      ctx.status = problem.status;
      ctx.type = 'application/problem+json';
      ctx.body = JSON.stringify(problem);
    }
  });
  return app;
}

/** Reads a request's body up to `maxBytes`, counting while it streams. Throws `too_large`. */
export async function readBody(stream: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw new TowlineError('too_large', `the body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
