import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasBody } from '../answers.ts';
import { methods } from '../request-rules.ts';

/** Whether a browser asks before it sends somebody's token from a page of another origin. It never carries one itself. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  );
}

/**
 * Lets a browser go on to the request that says who sends it. The same for every function and page, so it tells nothing
 * of either. Without `Access-Control-Allow-Credentials` no browser adds the session's cookie on behalf of such a page.
 */
export function answerPreflight(req: IncomingMessage, res: ServerResponse, requestId: string): void {
  res.writeHead(204, {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': methods,
    // The wildcard stands for every field but this one: Fetch, "CORS non-wildcard request-header name".
    'Access-Control-Allow-Headers': '*, Authorization',
    'Cache-Control': 'no-store',
    Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    'X-Towline-Request-Id': requestId,
    ...(hasBody(req) && !req.complete ? { Connection: 'close' } : {}),
  });
  res.end();
}
