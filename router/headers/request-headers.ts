import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FunctionAddress } from '../addressing/address.ts';
import type { CookieGuard } from './cookies.ts';
import { connectionNamed, hopByHop } from './field-names.ts';
import type { Origin } from './forwarded.ts';

/** Fields that only the edge says: removed whoever sent them, then set where there is something to say. */
const edgeOnly: ReadonlySet<string> = new Set([
  'forwarded',
  'x-real-ip',
  'x-user',
  'x-user-email',
  'x-user-groups',
  'x-call-id',
  'x-cold-start',
]);
const edgeOnlyPrefixes = ['x-forwarded-', 'x-towline-', 'x-original-', 'x-auth-request-'] as const;

/** Set from what was parsed, never copied; Expect is answered here. */
const handled: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'cookie', 'via']);

function isEdgeOnly(name: string): boolean {
  if (name.charCodeAt(0) !== 120 && name !== 'forwarded') return false;
  return edgeOnly.has(name) || edgeOnlyPrefixes.some((prefix) => name.startsWith(prefix));
}

/** CGI-like servers read `X_User` and `X-User` as one: both spellings are held to the same rule. */
function isDropped(name: string): boolean {
  if (hopByHop.has(name) || handled.has(name) || isEdgeOnly(name)) return true;
  return name.includes('_') && isDropped(name.replaceAll('_', '-'));
}

function asksForTrailers(te: string | undefined): boolean {
  return te?.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers') ?? false;
}

const requestIdForm = /^[A-Za-z0-9._-]{1,128}$/;

/** The sender's own id if the sender is believed, else a new one. */
export function requestIdOf(req: IncomingMessage, trusted: boolean): string {
  const given = trusted ? req.headers['x-towline-request-id'] : undefined;
  return typeof given === 'string' && requestIdForm.test(given) ? given : randomUUID();
}

export const viaName = '1.1 towline';

/** How often a request has come through this edge already. */
export function timesSeen(via: string | undefined): number {
  return via === undefined ? 0 : via.split(viaName).length - 1;
}

export interface RequestHeaderContext {
  address: FunctionAddress;
  origin: Origin;
  requestId: string;
  cookies: CookieGuard;
  /** `Authorization` was for the platform. */
  guarded: boolean;
  /** The request's Content-Length, if it has a body of known size. */
  contentLength: string | undefined;
}

/** What the sender said that is the function's to hear, flat, with the sender's order, case and repetitions. */
function passedOn(req: IncomingMessage, guarded: boolean): string[] {
  const raw = req.rawHeaders;
  const named = connectionNamed(req.headers.connection);
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const field = raw[i] ?? '';
    const name = field.toLowerCase();
    const isKept = !isDropped(name) && !named.has(name) && !(guarded && name === 'authorization');
    if (isKept) out.push(field, raw[i + 1] ?? '');
  }
  return out;
}

/** The fields for the function. */
export function requestHeaders(req: IncomingMessage, context: RequestHeaderContext): string[] {
  const { address, origin, requestId, guarded } = context;
  const out = ['Host', req.headers.host ?? '', ...passedOn(req, guarded)];
  const cookie = req.headers.cookie;
  const kept = cookie === undefined ? undefined : context.cookies.withoutPlatform(cookie);
  if (kept !== undefined) out.push('Cookie', kept);
  const te = req.headers.te;
  if (asksForTrailers(Array.isArray(te) ? te.join(',') : te)) out.push('TE', 'trailers');
  if (context.contentLength !== undefined) out.push('Content-Length', context.contentLength);
  const via = req.headers.via;
  out.push('Via', via === undefined ? viaName : `${via}, ${viaName}`);
  out.push('X-Forwarded-For', origin.forwardedFor);
  out.push('X-Forwarded-Proto', origin.proto);
  out.push('X-Forwarded-Host', origin.host);
  out.push('X-Forwarded-Prefix', address.prefix);
  out.push('X-Call-Id', requestId, 'X-Towline-Request-Id', requestId);
  return out;
}
