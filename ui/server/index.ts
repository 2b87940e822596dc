import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'koa';
import { type Identity, mayChange } from '../../core/access.ts';
import type { Me } from '../../core/api.ts';
import type { Accounts, Authenticator, Owner, Workloads } from '../../core/auth.ts';
import type { BuildService } from '../../core/build-service.ts';
import type { FunctionCatalog, PendingDeploys } from '../../core/catalog.ts';
import { defaultEnvironment, type ServedEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type { EventBus } from '../../core/events.ts';
import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { RepositoryHost } from '../../core/repository-host.ts';
import type { Person } from '../../core/source-event.ts';
import { createHttpApp } from '../../runtime/http-service.ts';
import type { Logger } from '../../runtime/logger.ts';
import { accountRoutes } from './accounts/account-routes.ts';
import { dashboardRoutes, type PageData, securityHeaders } from './dashboard/dashboard-routes.ts';
import { changeRoutes } from './functions/change-routes.ts';
import { createEnvironmentRows, type EnvironmentRows } from './functions/environment-rows.ts';
import { functionRoutes } from './functions/function-routes.ts';
import { outputRoutes } from './functions/output-routes.ts';
import { removeRoutes } from './functions/remove-routes.ts';
import { imageRoutes } from './images/image-routes.ts';
import { pushRoutes } from './pushes/push-routes.ts';
import { repositoryRoutes } from './repositories/repository-routes.ts';
import { createRequester } from './request/requester.ts';
import { createScope, type Scope } from './request/scope.ts';
import { eventRoutes } from './stream/event-routes.ts';
import { createSseStreams } from './stream/sse-response.ts';

export interface PlatformApiConfig {
  /** As `http://localhost:8080`: the only origin that may change something with a cookie. */
  publicOrigin: string;
  /** As `http://localhost:8080/git`. */
  gitBaseUrl: string;
  /** The built dashboard (`ui/web/dist`). */
  webDir: string;
  version: string;
  /** What CI tokens have to be made for; default: the public origin. */
  ciAudience?: string | undefined;
  /** Milliseconds between two signs of life on a stream; default 15 s. */
  heartbeatMs?: number | undefined;
  /** Milliseconds after which a stream ends whose session is over; default 5 s. */
  recheckMs?: number | undefined;
}

export interface PlatformApiDeps {
  logger: Logger;
  authenticator: Authenticator;
  accounts: Accounts;
  /** CI jobs that may announce images; absent: people's tokens alone. */
  workloads?: Workloads | undefined;
  catalog: FunctionCatalog;
  /** Of the installation, in the order in which they are shown; only the default one if none are given. */
  environments?: readonly ServedEnvironment[] | undefined;
  pending: PendingDeploys;
  writer: ManifestWriter;
  builds: BuildService;
  events: EventBus;
  repositories: RepositoryHost;
  functionUrl(owner: string, functionName: string): string;
  /** The whole link; absent where people log in another way. */
  createLoginLink?: ((ownerId: string, by: Person) => Promise<string>) | undefined;
}

export interface PlatformApi extends AsyncDisposable {
  /** The API, its streams, the dashboard, `/healthz` and `/readyz`. */
  handle(req: IncomingMessage, res: ServerResponse): void;
}

/** The platform API (core/api.ts, core/paths.ts) and the dashboard that uses it. */
export async function createPlatformApi(
  config: PlatformApiConfig,
  deps: PlatformApiDeps,
): Promise<PlatformApi> {
  await using resources = new AsyncDisposableStack();
  const publicOrigin = new URL(config.publicOrigin).origin;
  const requester = createRequester(deps.authenticator, publicOrigin);
  const scope = createScope(deps.accounts, deps.builds);
  const { catalog, functionUrl } = deps;
  const environments = deps.environments ?? [{ name: defaultEnvironment, catalog, functionUrl }];
  const rows = resources.use(createEnvironmentRows({ ...deps, environments }));
  const streams = resources.use(
    createSseStreams(
      {
        heartbeatMs: config.heartbeatMs ?? 15_000,
        recheckMs: config.recheckMs ?? 5_000,
        maxQueuedBytes: 1_000_000,
        maxStreams: 2_000,
        maxStreamsPerOwner: 100,
      },
      requester.stillHolds,
    ),
  );
  const eventStream = resources.use(
    eventRoutes({ requester, events: deps.events, openStream: streams.open }),
  );
  const me = async (identity: Identity): Promise<Me> => ({
    identity,
    ...namesOf(await scope.readableOwners(identity), identity),
    gitBaseUrl: config.gitBaseUrl,
    version: config.version,
    environments: rows.names,
    hasOutput: environments.some(({ output }) => output !== undefined),
  });
  let ready = true;
  resources.defer(() => {
    ready = false;
  });

  const app = createHttpApp(deps.logger);
  app.use(async (ctx, next) => {
    ctx.set(securityHeaders);
    if (/^\/(?:api|v1)\//.test(ctx.path)) ctx.set('Cache-Control', 'no-store');
    if (ctx.path === '/healthz') return health(ctx, true);
    if (ctx.path === '/readyz') return health(ctx, ready && (await hasOwners(deps.accounts)));
    await next();
  });
  for (const router of [
    accountRoutes({ requester, scope, accounts: deps.accounts, me, createLoginLink: deps.createLoginLink }),
    functionRoutes({ ...deps, requester, scope, rows }),
    outputRoutes({ ...deps, requester, scope, rows, environments, openStream: streams.open }),
    changeRoutes({ ...deps, requester, scope }),
    removeRoutes({ ...deps, requester, scope }),
    pushRoutes({ ...deps, requester, scope, openStream: streams.open }),
    imageRoutes({
      ...deps,
      requester,
      scope,
      workloads: deps.workloads,
      audience: config.ciAudience ?? publicOrigin,
    }),
    repositoryRoutes({ requester, scope, repositories: deps.repositories }),
    eventStream.router,
  ]) {
    app.use(router.routes());
  }
  app.use((ctx, next) => {
    if (/^\/api(?:\/|$)/.test(ctx.path)) throw new TowlineError('not_found', 'the API has no such path');
    return next();
  });
  const pageData = createPageData({ scope, rows, me, writer: deps.writer });
  app.use(dashboardRoutes({ webDir: config.webDir, requester, pageData }));
  const handle = app.callback();
  const owned = resources.move();
  return {
    handle: (req, res) => void handle(req, res),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function namesOf(readable: readonly Owner[], identity: Identity): Pick<Me, 'owners' | 'mayChange'> {
  const changeable = readable.filter(({ id }) => mayChange(identity, id));
  return { owners: readable.map(({ slug }) => slug), mayChange: changeable.map(({ slug }) => slug) };
}

/** Accounts that cannot be asked are none: nobody could log in. */
async function hasOwners(accounts: Accounts): Promise<boolean> {
  return accounts.owners().then(
    (owners) => owners.length > 0,
    () => false,
  );
}

function health(ctx: Context, good: boolean): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.status = good ? 200 : 503;
  ctx.body = { status: good ? 'ok' : 'unavailable' };
}

/** The functions of the owner in the page's path if there are any to see, else of the first owner. */
function createPageData(deps: {
  scope: Scope;
  rows: EnvironmentRows;
  me: (identity: Identity) => Promise<Me>;
  writer: Pick<ManifestWriter, 'removals'>;
}): (identity: Identity, path: string) => Promise<PageData> {
  const { scope, rows, me, writer } = deps;
  return async (identity, path) => {
    const owners = await scope.readableOwners(identity);
    const asked = owners.find((owner) => owner.slug === path.split('/', 2)[1]);
    const shown = asked ? await rows.all(asked) : [];
    const first = owners[0];
    const functions = shown.length > 0 || !first || asked === first ? shown : await rows.all(first);
    const answered = asked ?? first;
    const removals = answered ? await writer.removals(answered.id) : [];
    return { me: await me(identity), functions, removals };
  };
}
