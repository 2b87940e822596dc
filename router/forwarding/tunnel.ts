import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { hasBody, type OwnAnswer } from '../answers.ts';

/** Whether an `Upgrade` value asks for the one protocol that is tunnelled. Anything else stays plain HTTP. */
export function isWebSocketUpgrade(upgrade: string | undefined): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

const keyForm = /^[A-Za-z0-9+/]{22}==$/;

/** Why a WebSocket handshake (RFC 6455 §4.2.1) is refused before anything is dialled. */
export function whyNoHandshake(req: IncomingMessage): OwnAnswer | undefined {
  if (!isWebSocketUpgrade(req.headers.upgrade)) {
    return { status: 501, detail: 'the only protocol to upgrade to here is websocket', close: true };
  }
  if (req.method !== 'GET' || req.httpVersion !== '1.1' || hasBody(req)) {
    return { status: 400, detail: 'a WebSocket handshake is a GET of HTTP/1.1 without a body', close: true };
  }
  if (req.headers['sec-websocket-version'] !== '13') {
    const headers = { 'Sec-WebSocket-Version': '13' };
    return { status: 426, detail: 'only version 13 of WebSocket is spoken here', headers, close: true };
  }
  if (!keyForm.test(req.headers['sec-websocket-key'] ?? '')) {
    return { status: 400, detail: 'the Sec-WebSocket-Key is missing or wrong', close: true };
  }
  return undefined;
}

/** Whether a 101 answers this very handshake; a tunnel is opened for nothing else. */
export function acceptsHandshake(key: string | undefined, answer: IncomingHttpHeaders): boolean {
  // The GUID is RFC 6455's own.
  const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return isWebSocketUpgrade(answer.upgrade) && answer['sec-websocket-accept'] === expected;
}

/** Bytes held for a target that has not answered yet. */
const maxEarlyBytes = 65_536;

/** Reads a client's connection while its handshake is out: early bytes are kept, its going away is noticed. */
export class EarlyBytes {
  readonly #socket: Duplex;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#keep(head);
    socket.on('data', this.#keep).on('end', this.#gone);
  }

  /** Stops reading and gives what came. */
  take(): Buffer[] {
    this.#socket.off('data', this.#keep).off('end', this.#gone);
    this.#socket.pause();
    return this.#chunks;
  }

  readonly #keep = (chunk: Buffer): void => {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > maxEarlyBytes) this.#socket.pause();
  };

  readonly #gone = (): void => {
    this.#socket.destroy();
  };
}

interface Timed extends Duplex {
  setTimeout?(ms: number, listener: () => void): unknown;
}

/** Joins two connections until both are closed; an end of one is an end for the other, an error breaks both. */
export function joinConnections(client: Timed, upstream: Timed, idleMs: number, onClosed: () => void): void {
  let open = 2;
  const both: [Timed, Timed][] = [
    [client, upstream],
    [upstream, client],
  ];
  for (const [one, other] of both) {
    one.on('error', () => other.destroy());
    one.on('close', () => {
      // What it sent last still goes out before the other is closed.
      if (!other.destroyed) other.end(() => other.destroy());
      open -= 1;
      if (open === 0) onClosed();
    });
    if (idleMs > 0) one.setTimeout?.(idleMs, () => one.destroy());
    one.pipe(other);
  }
}
