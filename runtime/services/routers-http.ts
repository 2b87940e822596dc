import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { routerContract } from '../../core/calls/router-calls.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { RouterAnswer, RoutersView, RouteTargetDigest } from '../../core/routers.ts';
import { aborted } from '../lifecycle.ts';
import { type CallClient, createCallClient } from './call-client.ts';
import type { ServiceTokens } from './service-tokens.ts';

export interface HttpRoutersOptions {
  /** As `http://router-calls:8081`; every address of each name is a router. */
  urls: readonly string[];
  tokens: ServiceTokens;
  /** Every address of a name. Default: the system's resolver. */
  addressesOf?: ((hostname: string) => Promise<string[]>) | undefined;
  /** Milliseconds that a router, or the resolver, may take. Default: 5,000. */
  timeoutMs?: number | undefined;
}

export interface HttpRouters extends RoutersView, AsyncDisposable {}

type Client = CallClient<typeof routerContract>;

/** Milliseconds that addresses are not asked for again: many deploys may wait for the same routers. */
const addressesMs = 1_000;
/** Calls at once to one router. */
const maxConnections = 8;

/** Asks every router for itself, by the addresses that a headless Service has in DNS: those of ready pods. */
export function createHttpRouters(options: HttpRoutersOptions): HttpRouters {
  const { urls, tokens, addressesOf = systemAddresses, timeoutMs = 5_000 } = options;
  const clients = new Map<string, Client>();
  let resolved: { at: number; origins: Promise<string[]> } | undefined;

  async function resolveAll(): Promise<string[]> {
    const found = await Promise.all(
      urls.map(async (url) => {
        const { protocol, hostname, port } = new URL(url);
        const addresses = await addressesOf(hostname.replace(/^\[|\]$/g, ''));
        return addresses.map(
          (one) => new URL(`${protocol}//${isIPv6(one) ? `[${one}]` : one}:${port}`).origin,
        );
      }),
    );
    const origins = [...new Set(found.flat())].sort();
    for (const [origin, client] of clients) {
      if (origins.includes(origin)) continue;
      clients.delete(origin);
      void client[Symbol.asyncDispose]();
    }
    return origins;
  }

  function originsNow(): Promise<string[]> {
    if (resolved && Date.now() - resolved.at < addressesMs) return resolved.origins;
    resolved = { at: Date.now(), origins: resolveAll() };
    return resolved.origins;
  }

  function clientOf(url: string): Client {
    const known = clients.get(url);
    if (known) return known;
    // Whoever waits asks again by itself, and says meanwhile what it waits for.
    const retry = { forMs: 0, firstMs: 50, maxMs: 50 };
    const made = createCallClient(routerContract, { url, tokens, retry, idleMs: timeoutMs, maxConnections });
    clients.set(url, made);
    return made;
  }

  async function whyNot(url: string, target: RouteTargetDigest, signal: AbortSignal) {
    const { owner, environment = defaultEnvironment, functionName, digest } = target;
    try {
      const answer = await clientOf(url).ask('route', { owner, environment, functionName }, { signal });
      const why = whyOther(answer, digest);
      return why === undefined ? undefined : `the router ${new URL(url).host} ${why}`;
    } catch (error) {
      return `the router ${new URL(url).host} does not say what it routes: ${messageOf(error)}`;
    }
  }

  async function ask(target: RouteTargetDigest, signal: AbortSignal): Promise<string | undefined> {
    let origins: string[];
    try {
      origins = await within(originsNow(), signal);
    } catch (error) {
      return `the routers cannot be found: ${messageOf(error)}`;
    }
    if (origins.length === 0) return 'no router is ready';
    const answers = await Promise.all(origins.map((origin) => whyNot(origin, target, signal)));
    const not = answers.filter((one) => one !== undefined);
    if (not.length < 2) return not[0];
    return `${not[0]} (and ${not.length - 1} more of ${origins.length} routers do not route by it)`;
  }

  return {
    async whyNotRouted(target, signal) {
      const why = await ask(target, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      signal.throwIfAborted();
      return why;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...clients.values()].map((client) => client[Symbol.asyncDispose]()));
    },
  };
}

/** What a table lacks; a stale one that has it all the same is as good as any. */
function whyOther({ isKnown, digest, stale }: RouterAnswer, wanted: string | null): string | undefined {
  if (wanted === null ? !isKnown : digest === wanted) return undefined;
  if (stale) return `has not seen the cluster for ${Math.round(stale.forMs / 1000)} s: ${stale.cause}`;
  if (wanted === null) return 'still knows the function';
  return digest === null ? 'does not serve the function yet' : `still serves ${digest}`;
}

async function systemAddresses(hostname: string): Promise<string[]> {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch (error) {
    // A headless Service without a ready pod has no address.
    if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return [];
    throw error;
  }
}

function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const end = aborted(signal).then(() => {
    throw signal.reason;
  });
  return Promise.race([work, end]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
