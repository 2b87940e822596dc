import Router from '@koa/router';
import type { Context } from 'koa';
import { type Identity, mayAnnounce, type Workload } from '../../../core/access.ts';
import type { Accounts, Owner, Workloads } from '../../../core/auth.ts';
import type { BuildService } from '../../../core/build-service.ts';
import type { PushRecord } from '../../../core/deploy.ts';
import { TowlineError } from '../../../core/errors.ts';
import {
  type AnnouncementAccepted,
  type Bindings,
  CreateBindingRequest,
  ImageAnnouncement,
} from '../../../core/images.ts';
import { apiPaths } from '../../../core/paths.ts';
import { jsonBody, noBody } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import { announcedImage } from './announced-image.ts';

export interface ImageRoutesDeps {
  requester: Requester;
  scope: Scope;
  accounts: Accounts;
  builds: BuildService;
  /** Absent: only people's tokens count. */
  workloads: Workloads | undefined;
  /** What CI tokens have to be made for. */
  audience: string;
}

/** A JWT, which no API token of ours is. The forges' have some 2 kB. */
const jwt = /^Bearer ([\w-]{1,2000}\.[\w-]{1,7000}\.[\w-]{1,2000})$/i;

type Announcer = Identity | Workload;

/** What CIs do: announce images and see what became of them; and which CIs may. */
export function imageRoutes(deps: ImageRoutesDeps): Router {
  const { requester, scope, builds } = deps;
  const router = new Router();

  router.post(['/api/v1/images', '/v1/images'], async (ctx) => {
    const who = await announcer(deps, ctx);
    const body = await jsonBody(ctx, ImageAnnouncement);
    const owner = await ownerOf(deps, who, body.owner);
    const { id, duplicate } = await builds.announce(announcedImage(who, owner, body));
    const url = apiPaths.image(id);
    ctx.status = 202;
    ctx.set('Location', url);
    ctx.body = { id, url, duplicate } satisfies AnnouncementAccepted;
  });
  router.get(['/api/v1/images/:id', '/v1/images/:id'], async (ctx) => {
    ctx.body = await recordOf(deps, await announcer(deps, ctx), ctx.params['id'] ?? '');
  });

  const bindings = '/api/v1/owners/:owner/ci-bindings';
  router.get(bindings, async (ctx) => {
    const owner = await scope.owner(await requester.identify(ctx), ctx.params['owner'], 'read');
    const { workloads, audience } = deps;
    ctx.body = {
      issuers: (await workloads?.issuers()) ?? [],
      audience,
      bindings: (await workloads?.bindings(owner.id)) ?? [],
    } satisfies Bindings;
  });
  router.post(bindings, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'change');
    const request = await jsonBody(ctx, CreateBindingRequest);
    if (!deps.workloads) throw notFound('CI');
    ctx.status = 201;
    ctx.body = await deps.workloads.addBinding({ ...request, ownerId: owner.id }, personOf(identity));
  });
  router.delete(`${bindings}/:id`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'change');
    await noBody(ctx);
    const id = ctx.params['id'] ?? '';
    if (!(await deps.workloads?.removeBinding(owner.id, id, personOf(identity)))) throw notFound('binding');
    ctx.status = 204;
  });
  return router;
}

/** By the CI's own token, or as for every other request. */
async function announcer(
  { requester, workloads, audience }: ImageRoutesDeps,
  ctx: Context,
): Promise<Announcer> {
  const token = jwt.exec(ctx.get('Authorization'))?.[1];
  if (token === undefined || !workloads) return requester.identify(ctx);
  const workload = await workloads.fromWorkloadToken(token);
  if (workload) return workload;
  ctx.set('WWW-Authenticate', 'Bearer realm="towline"');
  throw new TowlineError('unauthenticated', "the CI's token is not valid here", {
    hint: `it has to come from a trusted issuer, be made for "${audience}", and not have expired`,
  });
}

/** Says the same of an owner that does not exist as of one that did not bind this repository. */
async function ownerOf({ scope, accounts }: ImageRoutesDeps, who: Announcer, slug: string): Promise<Owner> {
  if (who.via !== 'workload') return await scope.owner(who, slug, 'change');
  const owner = await accounts.ownerBySlug(slug);
  if (owner && mayAnnounce(who, owner.id)) return owner;
  const { repository, ref, issuer } = who;
  throw new TowlineError(
    'forbidden',
    `"${slug}" has not bound the repository ${repository.path} (${repository.id}) of ${issuer} at ${ref}`,
    { hint: 'an owner binds it with "towline ci add"; its conditions have to match exactly' },
  );
}

async function recordOf({ scope, builds }: ImageRoutesDeps, who: Announcer, id: string): Promise<PushRecord> {
  if (!id.startsWith('image-')) throw notFound('announcement');
  if (who.via !== 'workload') return await scope.push(who, id, 'read');
  const push = await builds.push(id);
  if (push && mayAnnounce(who, push.ownerId) && push.repo === who.repository.name) return push;
  throw notFound('announcement');
}
