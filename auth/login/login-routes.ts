import Router from '@koa/router';
import type { Context } from 'koa';
import { TowlineError } from '../../core/errors.ts';
import type { CountedAudit } from '../../runtime/audit/counted-audit.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { RecordChange } from '../audit.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { SessionCookie } from '../sessions/session-cookie.ts';
import type { Session, SessionTokens } from '../sessions/session-tokens.ts';
import type { AttemptLimiter } from './attempt-limiter.ts';
import type { IdentityProvider, LoginOutcome } from './identity-provider.ts';
import { loginPageHeaders, renderLoginPage } from './login-page.ts';
import { safeReturnPath } from './return-path.ts';

export interface LoginDeps {
  publicOrigin: string;
  providers: readonly IdentityProvider[];
  sessions: SessionTokens;
  cookie: SessionCookie;
  keys: KeyRing;
  limiter: AttemptLimiter;
  /** Whether an owner still exists. */
  isOwner(ownerId: string): boolean;
  audit: { record: RecordChange; refusals: CountedAudit };
  clock: () => number;
  logger: Logger;
}

/** Milliseconds that a provider may take to judge a login. */
const providerTimeoutMs = 5_000;

/** `/login`, `/logout` and the public keys. */
export function loginRoutes(deps: LoginDeps): Router {
  const router = new Router();
  router.get('/login', (ctx) => login(deps, ctx));
  router.post('/logout', (ctx) => logout(deps, ctx));
  router.get('/.well-known/jwks.json', async (ctx) => {
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.body = { keys: (await deps.keys.all()).map((key) => key.publicJwk) };
  });
  return router;
}

async function login(deps: LoginDeps, ctx: Context): Promise<void> {
  const parameters = new URLSearchParams(ctx.querystring);
  const next = safeReturnPath(parameters.get('next'));
  // A link preview or a prefetch must not use up what its reader was sent.
  if (ctx.method === 'HEAD' || isPrefetch(ctx)) return showPage(deps, ctx, { status: 401, next });
  const outcome = await judge(deps, parameters);
  if (outcome.type === 'identified') return loggedIn(deps, ctx, { ownerId: outcome.ownerId, next });
  // Only refusals are slowed: a ticket cannot be guessed, and nobody's wrong ones may lock out the right one.
  const wait = parameters.has('ticket') ? deps.limiter.waitSeconds(ctx.ip) : 0;
  if (wait > 0) return tooManyAttempts(deps, ctx, { wait, next });
  if (outcome.type === 'refused') {
    deps.limiter.failed(ctx.ip);
    deps.logger.warn({ status: outcome.status }, 'login refused');
    const what = { action: 'login', result: 'refused', actor: 'somebody', reason: outcome.detail } as const;
    deps.audit.refusals.happened(what);
  }
  // Whoever is in already goes on: a link clicked twice, or the back button.
  if (await currentSession(deps, ctx)) return seeOther(ctx, next);
  return showPage(deps, ctx, {
    status: outcome.type === 'refused' ? outcome.status : 401,
    next,
    ...(outcome.type === 'refused' ? { title: outcome.title, detail: outcome.detail } : {}),
  });
}

async function judge(deps: LoginDeps, parameters: URLSearchParams): Promise<LoginOutcome> {
  for (const provider of deps.providers) {
    const signal = AbortSignal.timeout(providerTimeoutMs);
    const outcome = await provider.complete({ parameters, attempt: undefined, signal });
    if (outcome.type === 'identified' && !deps.isOwner(outcome.ownerId)) {
      return {
        type: 'refused',
        status: 403,
        title: 'This owner is gone',
        detail: 'The owner that the link was made for does not exist any more.',
      };
    }
    if (outcome.type !== 'not-for-me') return outcome;
  }
  return { type: 'not-for-me' };
}

/** A new session for every login, and the end of the one the browser came with: no session can be fixed upon somebody. */
async function loggedIn(deps: LoginDeps, ctx: Context, to: { ownerId: string; next: string }): Promise<void> {
  const previous = await currentSession(deps, ctx);
  if (previous) deps.sessions.revoke(previous);
  deps.limiter.succeeded(ctx.ip);
  const { token, session } = await deps.sessions.issue(to.ownerId);
  const maxAge = Math.max(0, Math.floor((session.expiresAt - deps.clock()) / 1000));
  ctx.set('Set-Cookie', deps.cookie.set(token, maxAge));
  deps.logger.info({ ownerId: to.ownerId, jti: session.jti }, 'logged in');
  deps.audit.record('login', { ownerId: to.ownerId, by: 'self' });
  seeOther(ctx, to.next);
}

async function logout(deps: LoginDeps, ctx: Context): Promise<void> {
  if (!isOwnOrigin(ctx, deps.publicOrigin)) {
    throw new TowlineError('forbidden', 'a logout has to come from the dashboard itself');
  }
  for (const value of deps.cookie.valuesIn(ctx.get('Cookie'))) {
    const session = await deps.sessions.verify(value);
    if (!session) continue;
    deps.sessions.revoke(session);
    deps.audit.record('logout', { ownerId: session.ownerId, by: 'self' });
  }
  ctx.set('Set-Cookie', deps.cookie.clear());
  ctx.set('Cache-Control', 'no-store');
  if (ctx.accepts('html', 'json') === 'html') seeOther(ctx, '/login');
  else ctx.status = 204;
}

function isOwnOrigin(ctx: Context, publicOrigin: string): boolean {
  const origin = ctx.get('Origin');
  return origin === '' ? ctx.get('Sec-Fetch-Site') === 'same-origin' : origin === publicOrigin;
}

function isPrefetch(ctx: Context): boolean {
  return /prefetch|preview|prerender/i.test(ctx.get('Sec-Purpose') || ctx.get('Purpose') || ctx.get('X-Moz'));
}

async function currentSession(deps: LoginDeps, ctx: Context): Promise<Session | undefined> {
  for (const value of deps.cookie.valuesIn(ctx.get('Cookie'))) {
    const session = await deps.sessions.verify(value);
    if (session && deps.isOwner(session.ownerId)) return session;
  }
  return undefined;
}

function seeOther(ctx: Context, path: string): void {
  ctx.set('Referrer-Policy', 'no-referrer');
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Location', path);
  ctx.status = 303;
  ctx.body = '';
}

function tooManyAttempts(deps: LoginDeps, ctx: Context, info: { wait: number; next: string }): void {
  ctx.set('Retry-After', String(info.wait));
  showPage(deps, ctx, {
    status: 429,
    next: info.next,
    title: 'Too many login links that did not work',
    detail: `Wait ${info.wait} seconds, then open your link again: it was not used up.`,
  });
}

function showPage(
  deps: LoginDeps,
  ctx: Context,
  page: { status: number; next: string; title?: string; detail?: string },
): void {
  const instructions = deps.providers.flatMap((provider) => provider.instructions);
  ctx.status = page.status;
  ctx.set(loginPageHeaders);
  ctx.body = renderLoginPage({
    title: page.title ?? 'Log in to Towline',
    paragraphs: page.detail === undefined ? instructions : [page.detail],
    next: page.next,
  });
}
