import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Identity } from '../../core/access.ts';
import type { Authenticator } from '../../core/auth.ts';
import type { CatalogEntry } from '../../core/catalog.ts';
import { mayInvoke } from '../../core/function-access.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FunctionAddress } from '../addressing/address.ts';
import type { OwnAnswer } from '../answers.ts';

/** Keeps requests of the wrong people from functions that are not public. */
export interface AccessGate {
  /** Whether somebody has to be asked who sends the request, before anything of it reaches the function. */
  guards(entry: CatalogEntry | undefined): entry is CatalogEntry;
  /** Why a request may not reach a guarded function; `undefined` if it may. Never rejects: any doubt is a refusal. */
  whyNot(req: IncomingMessage, address: FunctionAddress, entry: CatalogEntry): Promise<OwnAnswer | undefined>;
}

export interface AccessGateConfig {
  publicOrigin: string;
  pathPrefix: string;
}

const bearer = /^Bearer ([\x21-\x7e]{1,512})$/i;
const challenge = { 'WWW-Authenticate': 'Bearer realm="towline"' };

/** Without an authenticator nobody gets in. */
export function createAccessGate(
  config: AccessGateConfig,
  authenticator: Authenticator | undefined,
  logger: Logger,
): AccessGate {
  /** A wrong token never falls back to the cookie: it would act for somebody else than it says. */
  async function senderOf(req: IncomingMessage, address: FunctionAddress): Promise<Identity | undefined> {
    const { authorization, cookie } = req.headers;
    if (authorization !== undefined) return authenticator?.fromToken(bearer.exec(authorization)?.[1]);
    // A function's own host is not the platform's: the session's cookie would be somebody's invention there.
    if (!address.onPlatformOrigin || !isOwnPage(req, config)) return undefined;
    return authenticator?.fromCookies(cookie);
  }

  function refusal(identity: Identity | undefined, address: FunctionAddress): OwnAnswer {
    const { owner, functionName } = address;
    if (identity !== undefined) {
      const detail = `${owner}/${functionName} is not public, and not for ${identity.owner}`;
      return { status: 403, detail, hint: `ask ${owner} for what it says` };
    }
    const withLogin = `${config.publicOrigin}${config.pathPrefix}${owner}/${functionName}`;
    return {
      status: 401,
      detail: `${owner}/${functionName} is not public`,
      hint: `send an API token as "Authorization: Bearer …"; where you are logged in to the dashboard, open it from there: ${withLogin}`,
      headers: challenge,
    };
  }

  return {
    guards: (entry): entry is CatalogEntry => entry !== undefined && entry.access !== 'public',
    async whyNot(req, address, entry) {
      if (authenticator === undefined) {
        const detail = `${address.owner}/${address.functionName} is not public, and logins cannot be checked here`;
        return { status: 403, detail, hint: 'ask the operator of the installation' };
      }
      try {
        const identity = await senderOf(req, address);
        return mayInvoke(identity, entry) ? undefined : refusal(identity, address);
      } catch (error) {
        logger.error({ err: error }, 'who sends a request cannot be checked');
        return { status: 503, detail: 'logins cannot be checked now', retryAfter: 5 };
      }
    },
  };
}

/** A browser adds the cookie to whatever any page asks for: that counts for pages that somebody opens, and our own. */
function isOwnPage({ method, headers }: IncomingMessage, config: AccessGateConfig): boolean {
  const { publicOrigin } = config;
  const isOwn = isFromHere(headers, config);
  if (method === 'GET' || method === 'HEAD') {
    const isOpened = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
    return isOpened || (isOwn && (headers.origin === undefined || headers.origin === publicOrigin));
  }
  return isOwn && headers.origin === publicOrigin;
}

/**
 * Browsers say where a request is from in Sec-Fetch-Site, but not to an address of plain HTTP that is not their own
 * machine's, and old ones never. There it has to come from a page of the dashboard. A page of a function, whose address
 * is at the same origin, is not one.
 */
function isFromHere(headers: IncomingHttpHeaders, { publicOrigin, pathPrefix }: AccessGateConfig): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  if (headers.origin !== undefined) return headers.origin === publicOrigin;
  const page = URL.parse(headers.referer ?? '');
  return page?.origin === publicOrigin && !page.pathname.startsWith(pathPrefix);
}
