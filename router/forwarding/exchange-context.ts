import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CatalogEntry, FunctionCatalog, PendingDeploys } from '../../core/catalog.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FunctionAddress } from '../addressing/address.ts';
import type { RouterConfig } from '../config.ts';
import type { CookieGuard } from '../headers/cookies.ts';
import type { Origin } from '../headers/forwarded.ts';
import type { RouterMetrics } from '../metrics.ts';
import type { TargetPools } from './target-pools.ts';
import type { EarlyBytes } from './tunnel.ts';
import type { Waking } from './waking.ts';

/** What the router can do with an exchange that goes on. */
export interface ActiveExchange {
  touch(): void;
  destroy(): void;
}

/** What all exchanges of one router share. */
export interface ExchangeContext {
  config: RouterConfig;
  catalog: FunctionCatalog;
  pending: PendingDeploys;
  logger: Logger;
  pools: TargetPools;
  waking: Waking;
  cookies: CookieGuard;
  metrics: RouterMetrics;
  /** The exchanges and tunnels that are under way. */
  active: Set<ActiveExchange>;
}

export interface ExchangeParts {
  req: IncomingMessage;
  res: ServerResponse;
  address: FunctionAddress;
  origin: Origin;
  requestId: string;
  /** The function whose access let the request in; `undefined`: none was there. */
  entered: CatalogEntry | undefined;
  /** For a WebSocket handshake: the client's connection and what came with it. */
  upgrade?: { socket: Duplex; early: EarlyBytes } | undefined;
}

/** Whether the function is not for everybody: the request's `Authorization` was for the platform, its answer for one. */
export function isGuarded({ entered }: Pick<ExchangeParts, 'entered'>): boolean {
  return entered !== undefined && entered.access !== 'public';
}
