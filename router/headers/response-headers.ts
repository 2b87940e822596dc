import type { CookieGuard } from './cookies.ts';
import { connectionNamed, hopByHop } from './field-names.ts';
import { fieldValue, type RawFields } from './raw-fields.ts';

/** Would act beyond the function: on the whole host's transport, or on cookies of the whole registrable domain. */
const neverPassed: ReadonlySet<string> = new Set(['alt-svc', 'clear-site-data', 'proxy-status']);

/** Would act on the origin that a function in path form shares with the platform and with everybody else. */
const notOnPlatformOrigin: ReadonlySet<string> = new Set([
  'set-cookie',
  'set-cookie2',
  'service-worker-allowed',
  'strict-transport-security',
  'public-key-pins',
  'public-key-pins-report-only',
  'expect-ct',
  'nel',
  'report-to',
  'reporting-endpoints',
  'accept-ch',
  'critical-ch',
  'origin-agent-cluster',
  'set-login',
  'use-as-dictionary',
  'x-content-type-options',
]);

/** Gives a document in path form an origin of its own: it cannot act as the platform's pages. */
const sandbox = 'sandbox allow-scripts allow-forms allow-popups allow-downloads';

export interface ResponseHeaderContext {
  onPlatformOrigin: boolean;
  /** The request's host name, lower case and without port. */
  host: string;
  requestId: string;
  cookies: CookieGuard;
  /** Whether the answer may end in trailers towards this client. */
  trailers: boolean;
  /** Whether a Content-Length can be true for this status. */
  contentLength: boolean;
  onCookieDropped: () => void;
}

/** The fields for the client, flat, with the function's order, case and repetitions. */
export function responseHeaders(fields: RawFields, context: ResponseHeaderContext): string[] {
  const named = connectionNamed(fieldValue(fields, 'connection'));
  const out: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const field = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    const name = field.toLowerCase();
    if (isPassed(name, value, context) && !named.has(name)) out.push(field, value);
  }
  if (context.onPlatformOrigin) {
    out.push('Content-Security-Policy', sandbox, 'X-Content-Type-Options', 'nosniff');
  }
  out.push('X-Towline-Request-Id', context.requestId);
  return out;
}

function isPassed(name: string, value: string, context: ResponseHeaderContext): boolean {
  if (name === 'trailer') return context.trailers;
  if (name === 'content-length') return context.contentLength;
  if (hopByHop.has(name) || neverPassed.has(name) || name.startsWith('x-towline-')) return false;
  if (context.onPlatformOrigin && notOnPlatformOrigin.has(name)) {
    if (name === 'set-cookie') context.onCookieDropped();
    return false;
  }
  if (name !== 'set-cookie' || context.cookies.maySet(value, context.host)) return true;
  context.onCookieDropped();
  return false;
}

const notInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...neverPassed,
  ...notOnPlatformOrigin,
  'content-length',
  'content-type',
  'content-encoding',
  'content-range',
  'content-security-policy',
  'host',
  'location',
  'cache-control',
  'authorization',
  'www-authenticate',
]);

/** Trailers that may be relayed: nothing that frames, routes or authorises. */
export function responseTrailers(
  trailers: Record<string, string | string[] | undefined>,
): [string, string][] {
  const kept: [string, string][] = [];
  for (const [name, value] of Object.entries(trailers)) {
    const lower = name.toLowerCase();
    if (value === undefined || notInTrailers.has(lower) || lower.startsWith('x-towline-')) continue;
    for (const one of Array.isArray(value) ? value : [value]) kept.push([name, one]);
  }
  return kept;
}
