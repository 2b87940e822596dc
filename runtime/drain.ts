import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Knows the requests in flight, so that a server can end without cutting what would finish by itself. */
export interface Drain {
  track(response: ServerResponse): void;
  /** Takes no more connections, cuts what would never end, and lets every other answer finish in `finishMs`. */
  end(servers: readonly Server[], finishMs: number): Promise<void>;
}

/** What only ends when its reader goes. */
export function isEventStream({ headers }: IncomingMessage): boolean {
  return /text\/event-stream/.test(headers.accept ?? '');
}

export function createDrain(isEndless: (request: IncomingMessage) => boolean = isEventStream): Drain {
  const inFlight = new Set<ServerResponse>();
  return {
    track(response) {
      inFlight.add(response);
      response.once('close', () => inFlight.delete(response));
    },
    async end(servers, finishMs) {
      for (const server of servers) {
        server.close();
        server.closeIdleConnections();
      }
      const finished = [...inFlight].map(
        (response) =>
          new Promise<void>((resolve) => {
            response.once('close', resolve);
            if (isEndless(response.req)) response.destroy();
          }),
      );
      let timer: NodeJS.Timeout | undefined;
      const tooLong = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, finishMs);
      });
      await Promise.race([Promise.all(finished), tooLong]);
      clearTimeout(timer);
      // Upgraded connections are whoever's that upgraded them.
      for (const server of servers) server.closeAllConnections();
    },
  };
}
