import Router from '@koa/router';
import { RepoName } from '../../../core/names.ts';
import type { RepositoryHost } from '../../../core/repository-host.ts';
import { noBody } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';

export interface RepositoryRoutesDeps {
  requester: Requester;
  scope: Scope;
  repositories: RepositoryHost;
}

/** The repositories that the platform itself holds. */
export function repositoryRoutes({ requester, scope, repositories }: RepositoryRoutesDeps): Router {
  const router = new Router({ prefix: '/api/v1/owners/:owner/repos' });
  router.get('/', async (ctx) => {
    const owner = await scope.owner(await requester.identify(ctx), ctx.params['owner'], 'read');
    ctx.body = (await repositories.list(owner.slug)).filter((each) => each.ownerId === owner.id);
  });
  router.delete('/:name', async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'change');
    await noBody(ctx);
    const name = RepoName.safeParse(ctx.params['name']);
    if (!name.success) throw notFound('repository');
    await repositories.delete(owner.slug, name.data, personOf(identity));
    ctx.status = 204;
  });
  return router;
}
