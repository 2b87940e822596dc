import type { PendingDeploys } from '../core/catalog.ts';
import { sessionCookieName } from '../core/session-cookie.ts';
import { type ClusterEnvironment, openServedEnvironments } from '../runtime/catalog/served-environments.ts';
import { readInstallationRules } from '../runtime/installation/installation.ts';
import { connectCluster } from '../runtime/kubernetes/cluster-settings.ts';
import { runProgram } from '../runtime/program/program.ts';
import { routerDefaults, routerProgramSettings } from './config.ts';
import { createRouter } from './router.ts';
import { routerByHost } from './router-by-host.ts';
import { answerParserError, serverOptions } from './server-options.ts';

await runProgram(process, {
  name: 'router',
  settings: routerProgramSettings,
  check: ({ configFile }) => void readInstallationRules(configFile),
  async open(config, { logger }) {
    await using stack = new AsyncDisposableStack();
    const rules = readInstallationRules(config.configFile);
    const api = connectCluster(config.kubeconfig);
    const served = stack.use(openServedEnvironments(config, rules, { api, logger }));
    const pendingOf = (_name: string): PendingDeploys => ({ pending: () => undefined });

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
      front: {
        request: (request, response) => routerFor(request).handle(request, response),
        upgrade: (request, socket, head) => routerFor(request).upgrade(request, socket, head),
        clientError: answerParserError,
        options: serverOptions,
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  },
});
