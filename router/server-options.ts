import type { IncomingMessage, ServerOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { isWebSocketUpgrade } from './forwarding/tunnel.ts';

/**
 * How the `http.Server` in front of a router must be made: strict framing, slow senders cut off, long uploads not,
 * and only WebSocket handshakes taken for upgrades. `checkContinue` must be handled like `request`, so that a
 * refused upload is never invited; `checkExpectation` may stay unhandled (417).
 */
export const serverOptions: Readonly<ServerOptions> = {
  headersTimeout: 10_000,
  // Cuts long uploads; the router times silence instead.
  requestTimeout: 0,
  connectionsCheckingInterval: 1_000,
  // Longer than a load balancer in front keeps its idle connections.
  keepAliveTimeout: 75_000,
  maxHeaderSize: 16_384,
  insecureHTTPParser: false,
  requireHostHeader: true,
  joinDuplicateHeaders: false,
  noDelay: true,
  shouldUpgradeCallback: (req: IncomingMessage) => isWebSocketUpgrade(req.headers.upgrade),
};

const parserAnswers: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** For the server's `clientError`: a bare answer to what isn't HTTP, and the end of the connection. */
export function answerParserError(error: Error & { code?: string }, socket: Duplex): void {
  const message = (socket as { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
  if (error.code === 'ECONNRESET' || !socket.writable || message?.headersSent) {
    socket.destroy();
    return;
  }
  const status = parserAnswers[error.code ?? ''] ?? '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n`,
  );
}
