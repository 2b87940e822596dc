import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger, type Logger } from '../logger.ts';
import { parseServiceTokens, type ServiceTokens } from './service-tokens.ts';

/** For tests: real HTTP servers that can be killed, and tokens. */

export const testToken = 't'.repeat(40);
export const tokens: ServiceTokens = parseServiceTokens(testToken);
export const silent: Logger = createLogger({ level: 'silent', name: 'test' });

export interface KillableServer extends AsyncDisposable {
  url: string;
  port: number;
  /** Connections are cut, the port is closed. */
  kill(): Promise<void>;
  /** On the same port. */
  restart(listener?: RequestListener): Promise<void>;
}

export async function listen(listener: RequestListener): Promise<KillableServer> {
  let current = listener;
  let server = await start(0);
  const { port } = server.address() as AddressInfo;

  async function start(wanted: number): Promise<Server> {
    const made = createServer(current);
    made.listen(wanted, '127.0.0.1');
    await once(made, 'listening');
    return made;
  }

  async function kill(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    kill,
    async restart(next = current) {
      await kill();
      current = next;
      server = await start(port);
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** Resolves once the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}
