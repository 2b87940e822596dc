import type { IncomingMessage } from 'node:http';
import type { RouterConfig } from '../config.ts';
import { createHostReader, type HostKind } from './host.ts';
import { splitTarget, whyAmbiguous } from './request-target.ts';

/** A request that names one function, and what of its target the function gets. */
export interface FunctionAddress {
  kind: 'function';
  owner: string;
  functionName: string;
  /** The rest of the path, at least `/`, and the query, as sent. */
  path: string;
  /** What was cut off the path: `/hello` or `/~alice/hello`. */
  prefix: string;
  /** Whether it shares the platform's origin. */
  onPlatformOrigin: boolean;
}

/** What one request is for. Made in one place: access is decided on what is routed, and on nothing else. */
export type Address =
  | FunctionAddress
  /** Not the router's. */
  | { kind: 'platform' }
  | { kind: 'owner'; owner: string }
  /** `OPTIONS *` */
  | { kind: 'server' }
  | { kind: 'refused'; status: 400 | 404; detail: string; hint?: string };

const platform: Address = { kind: 'platform' };

function refused(detail: string): Address {
  return { kind: 'refused', status: 400, detail };
}

function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

const functionLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function createAddressReader(config: RouterConfig): (req: IncomingMessage) => Address {
  const publicHost = new URL(config.publicOrigin).hostname;
  const readHost = createHostReader(config.rootDomain, [publicHost]);
  const prefix = config.pathPrefix;

  function notFound(detail: string): Address {
    const hint = `functions are at ${config.publicOrigin}${prefix}<owner>/<function>`;
    return { kind: 'refused', status: 404, detail, hint };
  }

  /** `path` from `start` on is `/<function>/…`; slashes before the name collapse, as they always have. */
  function functionAt(owner: string, path: string, start: number, query: string, shared: boolean): Address {
    let from = start;
    while (path.charCodeAt(from) === 47) from += 1;
    if (from >= path.length) return { kind: 'owner', owner };
    const slash = path.indexOf('/', from);
    const end = slash < 0 ? path.length : slash;
    const functionName = path.slice(from, end);
    if (!functionLabel.test(functionName)) return notFound(`${owner} has no function of that name`);
    return {
      kind: 'function',
      owner,
      functionName,
      path: (slash < 0 ? '/' : path.slice(slash)) + query,
      prefix: shared ? `${prefix}${owner}/${functionName}` : `/${functionName}`,
      onPlatformOrigin: shared,
    };
  }

  function onPlatform(path: string, query: string): Address {
    const slash = path.indexOf('/', prefix.length);
    const end = slash < 0 ? path.length : slash;
    const owner = path.slice(prefix.length, end);
    if (!functionLabel.test(owner)) return notFound('no owner of that name here');
    return functionAt(owner, path, end, query, true);
  }

  function readTarget(host: HostKind, url: string, hostHeader: string): Address {
    const target = splitTarget(url, hostHeader);
    if (typeof target === 'string') return refused(target);
    const { path, query } = target;
    const inPathForm = path.startsWith(prefix);
    if (host.kind !== 'owner' && !inPathForm) {
      // In absolute form it would reach handlers that expect a path; only the router reads both.
      return url.startsWith('/') ? platform : refused('the request target must begin with "/"');
    }
    const ambiguous = whyAmbiguous(path);
    if (ambiguous !== undefined) return refused(ambiguous);
    if (host.kind === 'owner') return functionAt(host.owner, path, 0, query, false);
    return host.kind === 'platform' ? onPlatform(path, query) : notFound('no function is at this host');
  }

  return (req) => {
    const hostHeader = req.headers.host;
    const host = readHost(hostHeader);
    if (host.kind === 'malformed') return refused('the Host header is missing or is not a host');
    if (hasTwoHosts(req.rawHeaders)) return refused('there is more than one Host header');
    if (host.kind === 'nobody') return notFound('no owner of that name here');
    const url = req.url ?? '';
    if (url === '*' && req.method === 'OPTIONS') return { kind: 'server' };
    if (host.kind === 'platform' && url.startsWith('/') && !url.startsWith(prefix)) return platform;
    return readTarget(host, url, hostHeader ?? '');
  };
}
