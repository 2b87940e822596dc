import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Authenticator } from '../core/auth.ts';
import type { CatalogEntry, FunctionCatalog, PendingDeploys } from '../core/catalog.ts';
import { createLogger } from '../runtime/logger.ts';
import {
  answerParserError,
  createRouter,
  type Router,
  type RouterConfig,
  routerDefaults,
  serverOptions,
} from './index.ts';

/** A catalog in memory, changed by the test. */
export class MemoryCatalog implements FunctionCatalog {
  readonly entries = new Map<string, CatalogEntry>();
  readonly listeners = new Set<Parameters<FunctionCatalog['subscribe']>[0]>();
  wakes = 0;
  touched = 0;
  onWake: (owner: string, functionName: string, signal: AbortSignal) => Promise<CatalogEntry> = async () => {
    throw new Error('nothing to wake');
  };

  set(owner: string, functionName: string, change: Partial<CatalogEntry>): CatalogEntry {
    const entry: CatalogEntry = {
      owner,
      ownerId: `id-${owner}`,
      functionName,
      status: 'Ready',
      hold: null,
      access: 'public',
      reason: null,
      publicReason: null,
      image: null,
      desiredImage: 'image',
      repo: 'repo',
      branch: 'main',
      sourceCommit: '0'.repeat(40),
      targets: [],
      restarts: 0,
      since: null,
      ...change,
    };
    this.entries.set(`${owner}/${functionName}`, entry);
    for (const listener of this.listeners) listener({ owner, functionName, entry });
    return entry;
  }
  serve(owner: string, functionName: string, ...ports: number[]): CatalogEntry {
    return this.set(owner, functionName, {
      targets: ports.map((port) => ({ origin: `http://127.0.0.1:${port}` })),
    });
  }
  unseen: FunctionCatalog['unseen'];
  lookup(owner: string, functionName: string) {
    return this.entries.get(`${owner}/${functionName}`);
  }
  hasOwner(owner: string) {
    return [...this.entries.values()].some((entry) => entry.owner === owner);
  }
  list(owner?: string) {
    return [...this.entries.values()].filter((entry) => owner === undefined || entry.owner === owner);
  }
  subscribe(listener: Parameters<FunctionCatalog['subscribe']>[0]) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  wake(owner: string, functionName: string, signal: AbortSignal) {
    this.wakes += 1;
    return this.onWake(owner, functionName, signal);
  }
  touch() {
    this.touched += 1;
  }
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  raw: string[];
  trailers: NodeJS.Dict<string>;
  informed: { status: number; link: unknown }[];
  body: string;
}

export interface Edge extends AsyncDisposable {
  port: number;
  catalog: MemoryCatalog;
  router: Router;
  pendings: Map<string, ReturnType<PendingDeploys['pending']>>;
  /** A function `alice/fn` that answers so. Gives its port. */
  upstream(listener: http.RequestListener, name?: string): Promise<http.Server & { port: number }>;
  /** A function `alice/raw` that speaks bytes. */
  rawUpstream(onConnection: (socket: net.Socket) => void, name?: string): Promise<number>;
  get(path: string, options?: http.RequestOptions & { body?: string }): Promise<Answer>;
  /** Sends bytes and gives all that comes until the connection is closed. */
  raw(text: string): Promise<string>;
  connect(): Promise<net.Socket>;
}

export async function startEdge(
  config: Partial<RouterConfig> = {},
  authenticator?: Authenticator,
): Promise<Edge> {
  const catalog = new MemoryCatalog();
  const pendings: Edge['pendings'] = new Map();
  const pending: PendingDeploys = { pending: (owner, name) => pendings.get(`${owner}/${name}`) };
  const logger = createLogger({ level: 'silent', name: 'router' });
  const router = await createRouter(
    { ...routerDefaults, ...config },
    { catalog, pending, authenticator, logger },
  );
  const server = http.createServer({ ...serverOptions });
  const dispatch: http.RequestListener = (req, res) => {
    if (router.matches(req)) router.handle(req, res);
    else res.writeHead(200, { 'X-Platform': 'yes' }).end('the platform');
  };
  server.on('request', dispatch).on('checkContinue', dispatch);
  server.on('upgrade', (req, socket, head) => router.upgrade(req, socket, head));
  server.on('clientError', answerParserError);
  const port = await listen(server);
  const others: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  const agent = new http.Agent({ keepAlive: true });
  const connect = () =>
    new Promise<net.Socket>((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => resolve(socket));
      sockets.add(socket);
      socket.on('error', reject);
    });

  return {
    port,
    catalog,
    router,
    pendings,
    async upstream(listener, name = 'fn') {
      const upstream = http.createServer(listener) as http.Server & { port: number };
      others.push(upstream);
      upstream.on('connection', (socket) => sockets.add(socket));
      upstream.port = await listen(upstream);
      catalog.serve('alice', name, upstream.port);
      return upstream;
    },
    async rawUpstream(onConnection, name = 'raw') {
      const upstream = net.createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        onConnection(socket);
      });
      others.push(upstream);
      const upstreamPort = await listen(upstream);
      catalog.serve('alice', name, upstreamPort);
      return upstreamPort;
    },
    get: (path, options = {}) => request(port, agent, path, options),
    async raw(text) {
      const socket = await connect();
      socket.write(text, 'latin1');
      let all = '';
      for await (const chunk of socket) all += (chunk as Buffer).toString('latin1');
      return all;
    },
    connect,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await router[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await Promise.all([server, ...others].map((one) => new Promise((resolve) => one.close(resolve))));
    },
  };
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function request(
  port: number,
  agent: http.Agent,
  path: string,
  options: http.RequestOptions & { body?: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { body, headers, ...rest } = options;
    const hosted = { Host: 'alice.localhost:8080', ...(headers as http.OutgoingHttpHeaders) };
    const informed: Answer['informed'] = [];
    const req = http.request({ host: '127.0.0.1', port, path, agent, ...rest, headers: hosted }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode!,
          headers: res.headers,
          raw: res.rawHeaders,
          trailers: res.trailers,
          informed,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    req.on('information', (info) => informed.push({ status: info.statusCode, link: info.headers.link }));
    req.on('error', reject);
    req.end(body);
  });
}

/** Waits until `check` holds; a test's own time limit is the bound. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Reads from a socket until `marker` has come, and gives all that came. */
export async function readUntil(socket: net.Socket, marker: string): Promise<string> {
  let all = '';
  const onData = (chunk: Buffer) => {
    all += chunk.toString('latin1');
  };
  socket.on('data', onData).resume();
  await until(() => all.includes(marker) || socket.destroyed);
  socket.off('data', onData);
  return all;
}

export function fieldsOf(answer: Answer, name: string): string[] {
  return answer.raw.filter((_, i) => i % 2 === 1 && answer.raw[i - 1]!.toLowerCase() === name);
}
