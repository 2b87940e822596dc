import Router from '@koa/router';
import type { Identity } from '../../../core/access.ts';
import { type CreatedToken, CreateOwnerRequest, CreateTokenRequest, type Me } from '../../../core/api.ts';
import type { Accounts } from '../../../core/auth.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { Person } from '../../../core/source-event.ts';
import { jsonBody, noBody } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';

export interface AccountRoutesDeps {
  requester: Requester;
  scope: Scope;
  accounts: Accounts;
  me(identity: Identity): Promise<Me>;
  /** The whole link; absent where people log in another way. */
  createLoginLink: ((ownerId: string, by: Person) => Promise<string>) | undefined;
}

const dayMs = 24 * 60 * 60_000;

/** Who one is, owners and their tokens. */
export function accountRoutes(deps: AccountRoutesDeps): Router {
  const { requester, scope, accounts } = deps;
  const router = new Router({ prefix: '/api/v1' });

  router.get('/me', async (ctx) => {
    ctx.body = await deps.me(await requester.identify(ctx));
  });
  router.post('/login-links', async (ctx) => {
    const identity = await requester.identify(ctx);
    await noBody(ctx);
    if (!deps.createLoginLink) throw notFound('way to log in');
    ctx.status = 201;
    ctx.body = { url: await deps.createLoginLink(identity.ownerId, personOf(identity)) };
  });
  router.get('/owners', async (ctx) => {
    ctx.body = await scope.readableOwners(await requester.identify(ctx));
  });
  router.post('/owners', async (ctx) => {
    const identity = await requester.identify(ctx);
    if (identity.role !== 'operator') throw new TowlineError('forbidden', 'only an operator makes owners');
    const { owner } = await jsonBody(ctx, CreateOwnerRequest);
    ctx.status = 201;
    ctx.body = await accounts.createOwner({
      slug: owner,
      role: 'member',
      name: owner,
      email: `${owner}@users.towline.internal`,
      by: personOf(identity),
    });
  });
  router.get('/owners/:owner/tokens', async (ctx) => {
    const owner = await scope.owner(await requester.identify(ctx), ctx.params['owner'], 'read');
    ctx.body = await accounts.tokens(owner.id);
  });
  router.post('/owners/:owner/tokens', async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'change');
    const { name, ttlDays } = await jsonBody(ctx, CreateTokenRequest);
    const ttlMs = ttlDays === null ? null : ttlDays * dayMs;
    const { token, record } = await accounts.createToken({
      ...{ ownerId: owner.id, name, ttlMs, by: personOf(identity) },
    });
    ctx.status = 201;
    ctx.body = { id: record.id, token, expiresAt: record.expiresAt } satisfies CreatedToken;
  });
  router.delete('/owners/:owner/tokens/:id', async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'change');
    await noBody(ctx);
    const id = ctx.params['id'] ?? '';
    if (!(await accounts.revokeToken(owner.id, id, personOf(identity)))) throw notFound('token');
    ctx.status = 204;
  });
  return router;
}
