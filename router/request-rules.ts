import type { IncomingMessage } from 'node:http';
import { hasBody, type OwnAnswer } from './answers.ts';
import type { RouterConfig } from './config.ts';
import { timesSeen } from './headers/request-headers.ts';

const allowed: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** As an `Allow` value. */
export const methods = [...allowed].join(', ');

/** Times that a request may come through this edge before it is taken to go in a circle. */
const maxTimesSeen = 2;

/** What Node's strict parser lets through and an edge must not; `undefined` if the request may be passed on. */
export function whyRefused(req: IncomingMessage, config: RouterConfig): OwnAnswer | undefined {
  return whyBadVersion(req) ?? whyBadBody(req, config) ?? whyBadMethod(req) ?? whyLoop(req);
}

function whyBadVersion(req: IncomingMessage): OwnAnswer | undefined {
  const version = req.httpVersion;
  if (version === '1.1' || version === '1.0') return undefined;
  if (req.httpVersionMajor < 1) return { status: 400, detail: 'HTTP/0.9 is not spoken here', close: true };
  return { status: 505, detail: 'HTTP/1.1 is spoken here', close: true };
}

function whyBadBody(req: IncomingMessage, config: RouterConfig): OwnAnswer | undefined {
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined) {
    if (req.httpVersion === '1.0') {
      return { status: 400, detail: 'HTTP/1.0 has no Transfer-Encoding', close: true };
    }
    const codings = coding
      .toLowerCase()
      .split(',')
      .map((part) => part.trim());
    if (codings.length === 1 && codings[0] === 'chunked') return undefined;
    // Without chunked at the end the body has no length; with it, a coding that isn't taken off here.
    const status = codings.length > 1 && codings.at(-1) === 'chunked' ? 501 : 400;
    return { status, detail: 'chunked is the only transfer coding here', close: true };
  }
  const tooLarge = config.maxBodyBytes > 0 && hasBody(req);
  if (!tooLarge || Number(req.headers['content-length']) <= config.maxBodyBytes) return undefined;
  return { status: 413, detail: `the request body is larger than ${config.maxBodyBytes} bytes`, close: true };
}

function whyBadMethod(req: IncomingMessage): OwnAnswer | undefined {
  if (allowed.has(req.method ?? '')) return undefined;
  return { status: 405, detail: `functions take ${methods}`, headers: { Allow: methods } };
}

function whyLoop(req: IncomingMessage): OwnAnswer | undefined {
  if (timesSeen(req.headers.via) < maxTimesSeen) return undefined;
  return { status: 508, detail: 'the request has come through here before: it goes in a circle' };
}
