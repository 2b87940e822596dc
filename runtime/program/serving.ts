import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TowlineError } from '../../core/errors.ts';
import { createDrain } from '../drain.ts';

/** What answers on one port. */
export interface Front {
  request: RequestListener;
  /** Without it an upgrade is answered as the request that it is. */
  upgrade?: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** Instead of Node's own answer to what is no HTTP. */
  clientError?: ((error: Error, socket: Duplex) => void) | undefined;
  options?: ServerOptions | undefined;
  /** Further ones are cut off. Default: as many as the system has. */
  maxConnections?: number | undefined;
}

export interface Serving extends AsyncDisposable {
  port: number;
  /** Takes no more requests and lets those in flight finish. Disposing does the same. */
  end(): Promise<void>;
}

export interface Place {
  host: string | undefined;
  /** 0: a free one. */
  port: number;
  /** Milliseconds that requests in flight have when it ends. */
  finishMs: number;
}

/** Longer than any client should need; a function's own limits are the router's. */
const defaultOptions: ServerOptions = { headersTimeout: 30_000, requestTimeout: 300_000 };

/** Throws `port_taken`. */
export async function serve(front: Front, { host, port, finishMs }: Place): Promise<Serving> {
  const drain = createDrain();
  const server = createServer({ ...defaultOptions, ...front.options });
  if (front.maxConnections !== undefined) server.maxConnections = front.maxConnections;
  const answer: RequestListener = (request, response) => {
    drain.track(response);
    front.request(request, response);
  };
  server.on('request', answer).on('checkContinue', answer);
  if (front.upgrade) server.on('upgrade', front.upgrade);
  if (front.clientError) server.on('clientError', front.clientError);
  await listen(server, host, port);
  let ended: Promise<void> | undefined;
  const end = () => {
    ended ??= drain.end([server], finishMs);
    return ended;
  };
  return { port: (server.address() as AddressInfo).port, end, [Symbol.asyncDispose]: end };
}

async function listen(server: Server, host: string | undefined, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  await promise.catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${cause.code})`;
    throw new TowlineError('port_taken', `port ${port} ${why}`, { cause });
  });
  server.off('error', reject);
}
