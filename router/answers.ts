import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Problem } from '../core/api.ts';
import type { ErrorCode } from '../core/errors.ts';

/** An answer that the router gives itself. */
export interface OwnAnswer {
  status: number;
  /** One line: what is wrong. */
  detail: string;
  /** One line: what to do. */
  hint?: string | undefined;
  /** Seconds until it is worth asking again. */
  retryAfter?: number | undefined;
  headers?: Record<string, string> | undefined;
  /** The connection's state is not known to be clean. */
  close?: boolean | undefined;
}

const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Not logged in',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timed out',
  413: 'Too large',
  426: 'Upgrade required',
  500: 'Internal error',
  501: 'Not implemented',
  502: 'Bad answer from the function',
  503: 'Unavailable',
  504: 'Timed out',
  505: 'HTTP version not supported',
  508: 'Loop detected',
};

const codes: Record<number, ErrorCode> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  500: 'internal',
  502: 'unavailable',
  503: 'unavailable',
  504: 'timeout',
};

function toProblem(answer: OwnAnswer, requestId: string): Problem {
  return {
    type: 'about:blank',
    title: titles[answer.status] ?? 'Error',
    status: answer.status,
    code: codes[answer.status] ?? 'bad_request',
    detail: answer.detail,
    hint: answer.hint,
    requestId,
  };
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function toPage(problem: Problem): string {
  const hint = problem.hint === undefined ? '' : `<p>${escapeHtml(problem.hint)}</p>\n`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${problem.status} ${escapeHtml(problem.title)}</title>
<h1>${escapeHtml(problem.title)}</h1>
<p>${escapeHtml(problem.detail)}</p>
${hint}<p><small>${problem.status} ${problem.code} · request ${escapeHtml(problem.requestId)}</small></p>
</html>
`;
}

function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const html = accept.indexOf('text/html');
  const json = accept.indexOf('json');
  return html >= 0 && (json < 0 || html < json);
}

/** Whether bytes of a request body may still be on their way. */
export function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Sends a problem, or a plain page where the client reads HTML. Closes the connection on an unread body. */
export function sendAnswer(
  req: IncomingMessage,
  res: ServerResponse,
  answer: OwnAnswer,
  requestId: string,
): void {
  const problem = toProblem(answer, requestId);
  const html = prefersHtml(req.headers.accept);
  const body = Buffer.from(html ? toPage(problem) : `${JSON.stringify(problem)}\n`);
  const headers: Record<string, string | number> = {
    'Content-Type': html ? 'text/html; charset=utf-8' : 'application/problem+json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy':
      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'X-Towline-Request-Id': requestId,
    ...answer.headers,
  };
  if (answer.retryAfter !== undefined) headers['Retry-After'] = answer.retryAfter;
  if (answer.close === true || (hasBody(req) && !req.complete)) headers['Connection'] = 'close';
  res.writeHead(answer.status, headers);
  res.end(req.method === 'HEAD' ? undefined : body);
}
