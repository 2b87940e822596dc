import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { freePort } from '../../containers/program.ts';

/** Ports on loopback of what is for the outside. */
export interface EdgePorts {
  builder: number;
  auth: number;
  ui: number;
  router: number;
}

export interface Edge extends AsyncDisposable {
  /** The platform's own, as `http://localhost:1234`. */
  origin: string;
  /** Functions answer at `<owner>.<domain>`. */
  domain: string;
  port: number;
}

const domain = 'fn.localhost';
const authPaths = /^\/(login|logout|\.well-known)(\/|\?|$)/;

/** Does what examples/ingress of the GitOps repository asks an Ingress controller to do. */
export async function startEdge(ports: EdgePorts): Promise<Edge> {
  const port = await freePort();
  const server = createServer((incoming, outgoing) => forward(incoming, outgoing, portFor(incoming, ports)));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://localhost:${port}`,
    domain,
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function portFor({ headers: { host = '' }, url = '' }: IncomingMessage, ports: EdgePorts): number {
  if (host.split(':', 1)[0]?.endsWith(`.${domain}`)) return ports.router;
  if (url.startsWith('/webhooks/')) return ports.builder;
  return authPaths.test(url) ? ports.auth : ports.ui;
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
  const { method, url, headers } = incoming;
  const to = request({ host: '127.0.0.1', port, path: url, method, headers, setHost: false }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
    answer.on('error', () => outgoing.destroy());
  });
  to.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
  outgoing.on('close', () => to.destroy());
  incoming.pipe(to);
}
