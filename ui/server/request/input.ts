import type { Context } from 'koa';
import { z } from 'zod';
import { TowlineError } from '../../../core/errors.ts';
import { readBody } from '../../../runtime/http-service.ts';

const maxBodyBytes = 64 * 1024;

/** The JSON body, checked. Throws `unsupported_media_type`, `too_large` or `bad_request` with every problem in words. */
export async function jsonBody<T extends z.ZodObject>(ctx: Context, schema: T): Promise<z.infer<T>> {
  requireJson(ctx);
  const bytes = await boundedBody(ctx);
  return checked(schema.strict(), parseJson(bytes), 'the body') as z.infer<T>;
}

/** Whether a body is announced. */
export function hasBody(ctx: Context): boolean {
  const length = ctx.get('Content-Length');
  const isEmpty = length === '' || length === '0';
  return !isEmpty || ctx.get('Transfer-Encoding') !== '' || ctx.get('Content-Type') !== '';
}

/** For requests that carry nothing: a body may be there, but has to be an empty JSON object. */
export async function noBody(ctx: Context): Promise<void> {
  if (hasBody(ctx)) await jsonBody(ctx, z.object({}));
}

/** The query string, checked; a field given twice is refused. */
export function query<T extends z.ZodObject>(ctx: Context, schema: T): z.infer<T> {
  return checked(schema.strict(), { ...ctx.query }, 'the query') as z.infer<T>;
}

/** A whole number in a query. */
export function wholeNumber(range: { min: number; max: number }) {
  const words = `must be a whole number from ${range.min} to ${range.max}`;
  return z
    .string(words)
    .regex(/^\d{1,10}$/, words)
    .transform(Number)
    .refine((value) => value >= range.min && value <= range.max, words);
}

/** A form of a foreign page can send three content types without asking; JSON is none of them. */
function requireJson(ctx: Context): void {
  const type = ctx.get('Content-Type').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new TowlineError('unsupported_media_type', 'the body has to be JSON', {
    hint: 'send "Content-Type: application/json"',
  });
}

async function boundedBody(ctx: Context): Promise<Buffer> {
  try {
    if (Number(ctx.get('Content-Length')) > maxBodyBytes) {
      throw new TowlineError('too_large', `the body is larger than ${maxBodyBytes} bytes`);
    }
    // The plain iterator would destroy the connection before the answer is out.
    return await readBody(ctx.req.iterator({ destroyOnReturn: false }), maxBodyBytes);
  } catch (error) {
    ctx.set('Connection', 'close');
    throw error;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TowlineError('bad_request', 'the body is not valid JSON', { cause });
  }
}

function checked(schema: z.ZodType, value: unknown, what: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new TowlineError('bad_request', `${what}: ${result.error.issues.map(inWords).join('; ')}`);
}

function inWords(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `unknown field ${issue.keys.map((key) => JSON.stringify(key.slice(0, 50))).join(', ')}`;
  }
  const path = issue.path.join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
