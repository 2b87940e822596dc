import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type EnvironmentRouter, routerByHost } from '../router/index.ts';
import type { Front } from './listen.ts';

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

interface RouterRoom {
  matches(request: IncomingMessage): boolean;
  handle: Handle;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface Rooms {
  router: RouterRoom;
  /** Of the other environments, each for the hosts below its own domain alone. */
  environmentRouters?: EnvironmentRouter<RouterRoom>[];
  gitHost: { handle: Handle };
  builder: { webhook: Handle };
  auth: { handle: Handle };
  api: { handle: Handle };
}

const prefixes: [string, (rooms: Rooms) => Handle][] = [
  ['/git/', (rooms) => rooms.gitHost.handle],
  ['/webhooks/', (rooms) => rooms.builder.webhook],
  ['/login', (rooms) => rooms.auth.handle],
  ['/logout', (rooms) => rooms.auth.handle],
  ['/.well-known/', (rooms) => rooms.auth.handle],
];

function startsPath(path: string, prefix: string): boolean {
  if (prefix.endsWith('/')) return path.startsWith(prefix);
  return path === prefix || path.startsWith(`${prefix}/`);
}

function roomFor(rooms: Rooms, router: RouterRoom, request: IncomingMessage): Handle {
  if (router.matches(request)) return router.handle;
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const found = prefixes.find(([prefix]) => startsPath(path, prefix));
  return found ? found[1](rooms) : rooms.api.handle;
}

/** One port for everything of one machine: which room answers is decided by host, then by path. */
export function createFront(rooms: Rooms): Front {
  const routerFor = routerByHost(rooms.router, rooms.environmentRouters ?? []);
  return {
    request: (request, response) => roomFor(rooms, routerFor(request), request)(request, response),
    upgrade(request, socket, head) {
      const router = routerFor(request);
      if (router.matches(request)) return router.upgrade(request, socket, head);
      // Node takes its own handler away on an upgrade; a client that resets would end the process.
      socket.on('error', () => socket.destroy());
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    },
  };
}
