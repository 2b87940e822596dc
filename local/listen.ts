import type { IncomingMessage } from 'node:http';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { TowlineError } from '../core/errors.ts';
import { answerParserError, serverOptions } from '../router/index.ts';
import { createDrain, isEventStream } from '../runtime/drain.ts';

export interface Front {
  request: RequestListener;
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface Listening extends AsyncDisposable {
  port: number;
  /** Set when the wanted port was taken and another one is used. */
  insteadOf: number | null;
  /** From now on requests go there; before, they are answered 503. */
  serve(front: Front): void;
  /** Takes no more requests; streams that are still open are cut. May be called twice. */
  [Symbol.asyncDispose](): Promise<void>;
}

const portsToTry = 20;

function starting(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(503, {
    'content-type': 'text/plain; charset=utf-8',
    'retry-after': '1',
    'cache-control': 'no-store',
  });
  response.end('Towline is starting.\n');
}

function tryListen(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException) => resolve(error);
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve(undefined);
    });
  });
}

/** Whether something else answers on the IPv6 side of "localhost", which browsers and curl try first. */
function ipv6Taken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createNetServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    probe.listen({ host: '::1', port, ipv6Only: true }, () => probe.close(() => resolve(false)));
  });
}

function newServer(): Server {
  return createServer(serverOptions).on('clientError', answerParserError);
}

async function listenOn(wanted: number, mayMove: boolean): Promise<{ server: Server; port: number }> {
  const last = wanted === 0 || !mayMove ? wanted : Math.min(65_535, wanted + portsToTry);
  for (let port = wanted; port <= last; port += 1) {
    if (port !== 0 && (await ipv6Taken(port))) continue;
    const server = newServer();
    const error = await tryListen(server, '127.0.0.1', port);
    if (!error) return { server, port: (server.address() as AddressInfo).port };
    if (error.code === 'EADDRINUSE') continue;
    const why = error.code === 'EACCES' ? 'needs more rights' : `cannot be used (${error.code})`;
    throw new TowlineError('port_taken', `port ${port} ${why}`, {
      cause: error,
      hint: 'set PORT to another one',
    });
  }
  throw new TowlineError('port_taken', `port ${wanted} is taken by another program`, {
    hint: 'stop that program, or set PORT to another port',
  });
}

/** What only ends when its reader goes: event streams, and the progress of a push, which goes on without its reader. */
function isEndless(request: IncomingMessage): boolean {
  return isEventStream(request) || /\/git-receive-pack$/.test(request.url ?? '');
}

/** Milliseconds that a request in flight has when the platform stops. */
const finishMs = 8_000;

/**
 * Listens on loopback only: 127.0.0.1, and ::1 where there is one. A taken port is replaced by the
 * next free one if `mayMove`, else refused with `port_taken`.
 */
export async function listen(wanted: number, mayMove: boolean): Promise<Listening> {
  const { server, port } = await listenOn(wanted, mayMove);
  const second = newServer();
  const servers = (await tryListen(second, '::1', port)) ? [server] : [server, second];
  for (const each of servers) each.on('request', starting);
  const drain = createDrain(isEndless);
  let closed: Promise<void> | undefined;
  return {
    port,
    insteadOf: wanted !== 0 && port !== wanted ? wanted : null,
    serve(front) {
      for (const each of servers) {
        const answer: RequestListener = (request, response) => {
          drain.track(response);
          front.request(request, response);
        };
        each.removeAllListeners('request').on('request', answer).on('checkContinue', answer);
        each.on('upgrade', front.upgrade);
      }
    },
    [Symbol.asyncDispose]() {
      closed ??= drain.end(servers, finishMs);
      return closed;
    },
  };
}
