import type { ServerResponse } from 'node:http';
import type { PendingDeploys } from '../core/catalog.ts';
import { sessionCookieName } from '../core/session-cookie.ts';
import { type ClusterEnvironment, openServedEnvironments } from '../runtime/catalog/served-environments.ts';
import type { ConfigOf } from '../runtime/config.ts';
import { readInstallationRules } from '../runtime/installation/installation.ts';
import type { ClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { connectCluster } from '../runtime/kubernetes/cluster-settings.ts';
import type { OpenProgram, ProgramContext } from '../runtime/program/program.ts';
import { createHttpBuildService } from '../runtime/services/build-service-http.ts';
import { mountedServiceTokens } from '../runtime/services/service-access.ts';
import { routerDefaults, type routerProgramSettings } from './config.ts';
import { createRouterCalls } from './http/router-calls.ts';
import { createRouter } from './router.ts';
import { routerByHost } from './router-by-host.ts';
import { answerParserError, serverOptions } from './server-options.ts';

type RouterProgramConfig = ConfigOf<typeof routerProgramSettings>;

/** Without the builder, what is being built is not told from what is not there. */
const nobody: PendingDeploys = { pending: () => undefined };

/**
 * Functions over HTTP. Ready once every function of the cluster is known; from then on it serves what it knew last.
 * `connect`: to the API server.
 */
export async function openRouters(
  config: RouterProgramConfig,
  { logger, signal }: ProgramContext,
  connect: (kubeconfig: string | undefined) => Promise<ClusterApi> | ClusterApi = connectCluster,
): Promise<OpenProgram> {
  await using stack = new AsyncDisposableStack();
  const rules = readInstallationRules(config.configFile);
  const api = await connect(config.kubeconfig);
  const served = stack.use(openServedEnvironments(config, rules, { api, logger }));
  const { builderUrl: url } = config;
  // Without a builder there is nobody whom it knows by a token.
  const tokens = url === undefined ? undefined : mountedServiceTokens(config.serviceTokenFile, logger);
  const builds = url && tokens ? stack.use(createHttpBuildService({ url, tokens, logger })) : nobody;
  const pendingOf = (name: string): PendingDeploys => ({
    pending: (owner, functionName) => builds.pending(owner, functionName, name),
  });

  async function openRouter({ name, rootDomain, catalog }: ClusterEnvironment) {
    const { publicOrigin } = config;
    const settings = {
      ...routerDefaults,
      ...config,
      rootDomain,
      platformCookies: [sessionCookieName(publicOrigin.startsWith('https:'))],
    };
    const deps = { catalog, pending: pendingOf(name), logger };
    return { rootDomain, router: stack.use(await createRouter(settings, deps)) };
  }
  const { router } = await openRouter(served.main);
  const others = await Promise.all(served.list.filter((one) => one !== served.main).map(openRouter));
  const routerFor = routerByHost(router, others);
  const resources = stack.move();
  return {
    whyNotReady: served.whyNotReady,
    details: served.staleness,
    internal: tokens && createRouterCalls(served.catalogOf, { tokens, logger, signal }),
    front: {
      request(request, response) {
        // Before everything has been listed nobody knows what is not there.
        if (served.whyNotReady() !== undefined) return starting(response);
        routerFor(request).handle(request, response);
      },
      upgrade: (request, socket, head) => routerFor(request).upgrade(request, socket, head),
      clientError: answerParserError,
      options: serverOptions,
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function starting(response: ServerResponse): void {
  response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '1', 'cache-control': 'no-store' });
  response.end('The router is starting.\n');
}
