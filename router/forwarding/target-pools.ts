import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { RouterConfig } from '../config.ts';

/** The connections to one running instance. */
export interface TargetPool {
  readonly origin: string;
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

/** One pool per target that the catalog lists. A target that the catalog drops finishes what it has. */
export class TargetPools implements AsyncDisposable {
  readonly #pools = new Map<string, TargetPool>();
  readonly #originsOf = new Map<string, Set<string>>();
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
    let origin = targets[this.#turn % targets.length]?.origin;
    if (origin === except) origin = targets[(this.#turn + 1) % targets.length]?.origin;
    if (origin === undefined) return undefined;
    return this.#pools.get(origin) ?? this.#open(entry, origin);
  }

  #open(entry: CatalogEntry, origin: string): TargetPool {
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
    const pool: TargetPool = { origin, dispatcher, inFlight: 0 };
    this.#pools.set(origin, pool);
    const key = `${entry.owner}/${entry.functionName}`;
    const origins = this.#originsOf.get(key);
    if (origins) origins.add(origin);
    else this.#originsOf.set(key, new Set([origin]));
    return pool;
  }

  #keepOnly(key: string, entry: CatalogEntry | undefined): void {
    const origins = this.#originsOf.get(key);
    if (!origins) return;
    const listed = new Set(entry?.targets.map((target) => target.origin));
    for (const origin of origins) {
      if (listed.has(origin)) continue;
      origins.delete(origin);
      this.#close(origin);
    }
    if (origins.size === 0) this.#originsOf.delete(key);
  }

  #close(origin: string): void {
    const pool = this.#pools.get(origin);
    if (!pool) return;
    this.#pools.delete(origin);
    const { dispatcher } = pool;
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
    this.#originsOf.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }
}
