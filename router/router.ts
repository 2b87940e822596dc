import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Authenticator } from '../core/auth.ts';
import type { CatalogEntry, FunctionCatalog, PendingDeploys } from '../core/catalog.ts';
import type { Logger } from '../runtime/logger.ts';
import { createAccessGate } from './access/access-gate.ts';
import { answerPreflight, isPreflight } from './access/preflight.ts';
import { type Address, createAddressReader } from './addressing/address.ts';
import { type OwnAnswer, sendAnswer } from './answers.ts';
import type { RouterConfig } from './config.ts';
import { Exchange } from './forwarding/exchange.ts';
import type { ExchangeContext, ExchangeParts } from './forwarding/exchange-context.ts';
import { TargetPools } from './forwarding/target-pools.ts';
import { EarlyBytes, whyNoHandshake } from './forwarding/tunnel.ts';
import { Waking } from './forwarding/waking.ts';
import { createCookieGuard } from './headers/cookies.ts';
import { createOriginReader } from './headers/forwarded.ts';
import { requestIdOf } from './headers/request-headers.ts';
import { countStatus, createMetrics, type RouterMetrics } from './metrics.ts';
import { methods, whyRefused } from './request-rules.ts';

export interface RouterDeps {
  catalog: FunctionCatalog;
  pending: PendingDeploys;
  /** Says who sends a request; absent: functions that are not public are for nobody. */
  authenticator?: Authenticator | undefined;
  logger: Logger;
}

/** Sends requests to functions. Mounted on an `http.Server` made with `serverOptions`. */
export interface Router extends AsyncDisposable {
  /** Whether the request is for a function, or so malformed that nobody should read it. */
  matches(req: IncomingMessage): boolean;
  /** For the server's `request` and `checkContinue`. */
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** For the server's `upgrade`. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  readonly metrics: Readonly<RouterMetrics>;
}

/** A request that names a function, well-formed. */
type Admitted = Omit<ExchangeParts, 'entered' | 'upgrade'>;

/** How often long exchanges say that their function is in use, in milliseconds. */
const touchEveryMs = 10_000;

/** Throws `config_invalid` if the configuration makes no sense. */
export async function createRouter(config: RouterConfig, deps: RouterDeps): Promise<Router> {
  const readAddress = createAddressReader(config);
  const readOrigin = createOriginReader(config.trustedProxies);
  const gate = createAccessGate(config, deps.authenticator, deps.logger);
  const context: ExchangeContext = {
    config,
    ...deps,
    pools: new TargetPools(config, deps.catalog, deps.logger),
    waking: new Waking(deps.catalog, config),
    cookies: createCookieGuard(config.platformCookies),
    metrics: createMetrics(),
    active: new Set(),
  };
  const toucher = setInterval(() => {
    for (const exchange of context.active) exchange.touch();
  }, touchEveryMs).unref();

  function answer(req: IncomingMessage, res: ServerResponse, own: OwnAnswer, requestId: string): void {
    count(own.status);
    sendAnswer(req, res, own, requestId);
  }

  function count(status: number): void {
    context.metrics.ownAnswers += 1;
    countStatus(context.metrics, status);
  }

  /** The function a request may be sent to; otherwise it has been answered. */
  function admitted(req: IncomingMessage, res: ServerResponse): Admitted | undefined {
    context.metrics.requests += 1;
    const origin = readOrigin(req);
    const requestId = requestIdOf(req, origin.trusted);
    const address = readAddress(req);
    if (address.kind === 'server') {
      res.writeHead(204, { Allow: methods }).end();
      return undefined;
    }
    const refusal = whyRefused(req, config) ?? whyNotFunction(address, config);
    if (refusal === undefined && address.kind === 'function') {
      return { req, res, address, origin, requestId };
    }
    answer(req, res, refusal ?? { status: 404, detail: 'no function is at this address' }, requestId);
    return undefined;
  }

  /** Goes on with a request once it is known that its function takes it. */
  function enter(parts: Admitted, begin: (entered: CatalogEntry | undefined) => void): void {
    const { req, res, address, requestId } = parts;
    const entry = deps.catalog.lookup(address.owner, address.functionName);
    if (!gate.guards(entry)) {
      begin(entry);
      return;
    }
    if (isPreflight(req)) {
      count(204);
      answerPreflight(req, res, requestId);
      return;
    }
    void gate.whyNot(req, address, entry).then((refusal) => {
      if (res.destroyed) return;
      if (refusal === undefined) begin(entry);
      else answer(req, res, refusal, requestId);
    });
  }

  return {
    metrics: context.metrics,
    matches: (req) => readAddress(req).kind !== 'platform',
    handle(req, res) {
      const parts = admitted(req, res);
      if (parts) enter(parts, (entered) => new Exchange(context, { ...parts, entered }).start());
    },
    upgrade(req, socket, head) {
      // Nobody else listens on it any more; its going away is seen by 'close'.
      socket.on('error', () => {});
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      res.assignSocket(socket as Socket);
      res.on('finish', () => {
        res.detachSocket(socket as Socket);
        socket.end(() => socket.destroy());
      });
      const parts = admitted(req, res);
      if (!parts) return;
      const refusal = whyNoHandshake(req);
      if (refusal) return answer(req, res, refusal, parts.requestId);
      const early = new EarlyBytes(socket, head);
      const upgraded = { ...parts, upgrade: { socket, early } };
      enter(parts, (entered) => new Exchange(context, { ...upgraded, entered }).start());
    },
    async [Symbol.asyncDispose]() {
      clearInterval(toucher);
      context.waking[Symbol.dispose]();
      for (const exchange of [...context.active]) exchange.destroy();
      await context.pools[Symbol.asyncDispose]();
    },
  };
}

function whyNotFunction(address: Address, config: RouterConfig): OwnAnswer | undefined {
  if (address.kind === 'refused') {
    const { status, detail, hint } = address;
    return { status, detail, hint, close: status === 400 };
  }
  if (address.kind === 'owner') {
    const hint = `ask for a function: ${config.publicOrigin}${config.pathPrefix}${address.owner}/<function>`;
    return { status: 404, detail: 'this address names no function', hint };
  }
  return undefined;
}
