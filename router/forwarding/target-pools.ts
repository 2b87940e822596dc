import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { CatalogEntry, FunctionCatalog, RouteTarget } from '../../core/catalog.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { RouterConfig } from '../config.ts';

/** The connections to one running instance. */
export interface TargetPool {
  readonly origin: string;
  /** What it is called in `Host`, if that is not what the visitor says. */
  readonly host: string | undefined;
  readonly dispatcher: Dispatcher;
  /** Requests and upgraded connections that use the target now. */
  inFlight: number;
}

const sizeWhenBroken = new WeakMap<Error, number>();

/**
 * How many bytes a connection had read when this error broke it: more than none before our own answer began
 * means that it was an idle one, used again. undici says so for its own errors only.
 */
export function bytesReadBefore(error: Error): number {
  const known = sizeWhenBroken.get(error);
  if (known !== undefined) return known;
  const socket = (error as { socket?: { bytesRead?: number } | null }).socket;
  return socket?.bytesRead ?? 0;
}

/** A connector for loopback and cluster addresses that remembers what `bytesReadBefore` tells. */
function createConnector(config: RouterConfig): buildConnector.connector {
  const connect = buildConnector({ timeout: config.connectTimeoutMs });
  return (options, callback) =>
    connect(options, (...result) => {
      const socket = result[1];
      socket?.on('error', (error: Error) => sizeWhenBroken.set(error, socket.bytesRead));
      callback(...result);
    });
}

/** A gateway's origin may stand for many targets, which its hosts tell apart. */
function keyOf({ origin, host }: RouteTarget): string {
  return host === undefined ? origin : `${origin} ${host}`;
}

/** One pool per target that the catalog lists. A target that the catalog drops finishes what it has. */
export class TargetPools implements AsyncDisposable {
  readonly #pools = new Map<string, TargetPool>();
  /** By function: the keys of its pools. */
  readonly #poolsOf = new Map<string, Set<string>>();
  readonly #closing = new Set<Dispatcher>();
  readonly #config: RouterConfig;
  readonly #logger: Logger;
  readonly #connect: buildConnector.connector;
  readonly #unsubscribe: () => void;
  #turn = 0;

  constructor(config: RouterConfig, catalog: FunctionCatalog, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#connect = createConnector(config);
    this.#unsubscribe = catalog.subscribe((change) =>
      this.#keepOnly(`${change.owner}/${change.functionName}`, change.entry),
    );
  }

  /** The targets in turn; not `except` if there is another. `undefined` if there is none. */
  pick(entry: CatalogEntry, except?: string): TargetPool | undefined {
    const { targets } = entry;
    if (targets.length === 0) return undefined;
    this.#turn = (this.#turn + 1) % 0x3fffffff;
    let target = targets[this.#turn % targets.length];
    if (target?.origin === except) target = targets[(this.#turn + 1) % targets.length];
    if (target === undefined) return undefined;
    return this.#pools.get(keyOf(target)) ?? this.#open(entry, target);
  }

  #open(entry: CatalogEntry, target: RouteTarget): TargetPool {
    const { origin, host } = target;
    const key = keyOf(target);
    const dispatcher = new Pool(origin, {
      // Bounded by maxInFlight: a request never waits behind a stream for a connection.
      connections: null,
      pipelining: 1,
      connect: this.#connect,
      headersTimeout: this.#config.headersTimeoutMs,
      // Idle bodies are timed by the exchange, which knows event streams.
      bodyTimeout: 0,
      // Shorter than the 5 s after which Node's own servers close: a reused connection is rarely a dead one.
      keepAliveTimeout: 3_000,
      keepAliveMaxTimeout: 30_000,
      maxHeaderSize: this.#config.maxHeaderBytes,
      allowH2: false,
    });
    const pool: TargetPool = { origin, host, dispatcher, inFlight: 0 };
    this.#pools.set(key, pool);
    const name = `${entry.owner}/${entry.functionName}`;
    const keys = this.#poolsOf.get(name);
    if (keys) keys.add(key);
    else this.#poolsOf.set(name, new Set([key]));
    return pool;
  }

  #keepOnly(name: string, entry: CatalogEntry | undefined): void {
    const keys = this.#poolsOf.get(name);
    if (!keys) return;
    const listed = new Set(entry?.targets.map(keyOf));
    for (const key of keys) {
      if (listed.has(key)) continue;
      keys.delete(key);
      this.#close(key);
    }
    if (keys.size === 0) this.#poolsOf.delete(name);
  }

  #close(key: string): void {
    const pool = this.#pools.get(key);
    if (!pool) return;
    this.#pools.delete(key);
    const { dispatcher, origin } = pool;
    this.#closing.add(dispatcher);
    dispatcher
      .close()
      .catch((err: unknown) => this.#logger.debug({ err, origin }, 'closing a target failed'))
      .finally(() => this.#closing.delete(dispatcher));
  }

  /** Breaks what is still in flight. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    const all = [...this.#closing, ...[...this.#pools.values()].map((pool) => pool.dispatcher)];
    this.#pools.clear();
    this.#poolsOf.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }
}
