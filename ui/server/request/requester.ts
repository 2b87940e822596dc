import type { Context } from 'koa';
import type { Identity } from '../../../core/access.ts';
import type { Authenticator } from '../../../core/auth.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { Person } from '../../../core/source-event.ts';

const bearer = /^Bearer ([\x21-\x7e]{1,512})$/i;
const reading: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Who sends a request to the API. Throws `unauthenticated`, or `forbidden` for what a foreign page had the browser send. */
export interface Requester {
  identify(ctx: Context): Promise<Identity>;
  /** For streams: whether the credentials of the request still hold, for the same owner. */
  stillHolds(ctx: Context, identity: Identity): Promise<boolean>;
  /** From the session cookie alone; `undefined` for nobody. For pages. */
  visitor(ctx: Context): Promise<Identity | undefined>;
}

export function createRequester(authenticator: Authenticator, publicOrigin: string): Requester {
  const visitor = (ctx: Context) => authenticator.fromCookies(ctx.get('Cookie') || undefined);

  async function credentials(ctx: Context): Promise<Identity | undefined> {
    const authorization = ctx.get('Authorization');
    if (authorization === '') return await visitor(ctx);
    // A wrong token never falls back to the cookie: it would act for somebody else than it says.
    const token = bearer.exec(authorization)?.[1];
    return token === undefined ? undefined : await authenticator.fromToken(token);
  }

  return {
    visitor,
    async identify(ctx) {
      const identity = await credentials(ctx);
      if (!identity) {
        ctx.set('WWW-Authenticate', 'Bearer realm="towline"');
        throw new TowlineError('unauthenticated', 'you are not logged in, or no longer', {
          hint: 'log in again, or send a valid API token as "Authorization: Bearer …"',
        });
      }
      if (identity.via === 'session') refuseForeignPages(ctx, publicOrigin);
      return identity;
    },
    async stillHolds(ctx, identity) {
      return (await credentials(ctx))?.ownerId === identity.ownerId;
    },
  };
}

/** A browser adds the cookie to whatever any page asks for: only our own pages may use it. */
function refuseForeignPages(ctx: Context, publicOrigin: string): void {
  const origin = ctx.get('Origin');
  const site = ctx.get('Sec-Fetch-Site');
  const ownOrigin = origin === '' ? site === 'same-origin' : origin === publicOrigin;
  const ownSite = site === '' || site === 'same-origin' || site === 'none';
  const allowed = reading.has(ctx.method) ? ownSite && (origin === '' || ownOrigin) : ownSite && ownOrigin;
  if (allowed) return;
  throw new TowlineError('forbidden', 'the request does not come from the dashboard', {
    hint: `open the dashboard at ${publicOrigin}, or use an API token`,
  });
}

/** The identity as commits and records name it. */
export function personOf(identity: Identity): Person {
  return { name: identity.name || identity.owner, email: identity.email, login: identity.owner };
}
