import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { openServedEnvironments } from '../../runtime/catalog/served-environments.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { readInstallationRules } from '../../runtime/installation/installation.ts';
import { connectCluster } from '../../runtime/kubernetes/cluster-settings.ts';
import { readyOnce } from '../../runtime/program/health.ts';
import type { OpenProgram, ProgramContext } from '../../runtime/program/program.ts';
import { createHttpAuth } from '../../runtime/services/auth-http.ts';
import { createHttpBuildService } from '../../runtime/services/build-service-http.ts';
import { createHttpManifestWriter } from '../../runtime/services/manifest-writer-http.ts';
import { checkServiceTokens, mountedServiceTokens } from '../../runtime/services/service-access.ts';
import type { UiConfig } from './config.ts';
import { announceFunctions } from './functions/announce-functions.ts';
import { createPlatformApi } from './index.ts';
import { noRepositories } from './repositories/no-repositories.ts';

const packageFile = new URL('../../package.json', import.meta.url);

/** Throws `config_invalid`. */
export function checkUi({ configFile, serviceTokenFile, webDir }: UiConfig): void {
  readInstallationRules(configFile);
  checkServiceTokens(serviceTokenFile);
  if (existsSync(join(webDir, 'index.html'))) return;
  throw new TowlineError('config_invalid', `TOWLINE_WEB_DIR: there is no built dashboard in ${webDir}`, {
    hint: 'npm run build:ui builds it',
  });
}

/** The platform API and the dashboard. Ready once it knows the functions and auth has answered. */
export async function openUi(config: UiConfig, { logger }: ProgramContext): Promise<OpenProgram> {
  await using stack = new AsyncDisposableStack();
  const rules = readInstallationRules(config.configFile);
  const tokens = mountedServiceTokens(config.serviceTokenFile, logger);
  const api = await connectCluster(config.kubeconfig);
  const events = createEventBus();
  const served = stack.use(openServedEnvironments(config, rules, { api, logger }));
  for (const one of served.list) stack.defer(announceFunctions(one, events));
  const auth = stack.use(createHttpAuth({ url: config.authUrl, tokens }));
  const calls = { tokens, logger, events };
  const builds = stack.use(createHttpBuildService({ url: config.builderUrl, ...calls }));
  const writer = stack.use(createHttpManifestWriter({ url: config.manifestWriterUrl, ...calls }));
  const { publicOrigin, webDir, ciAudience } = config;
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  const platform = stack.use(
    await createPlatformApi(
      { publicOrigin, gitBaseUrl: config.gitUrl, webDir, version, ciAudience },
      {
        ...{ logger, events, writer, builds },
        authenticator: auth,
        accounts: auth,
        workloads: auth.workloads,
        catalog: served.main.catalog,
        environments: served.list,
        pending: builds,
        repositories: noRepositories,
        functionUrl: served.functionUrl,
        createLoginLink: async (ownerId, by) =>
          `${publicOrigin}/login?ticket=${(await auth.createLoginTicket(ownerId, by)).ticket}`,
      },
    ),
  );
  const authAnswers = readyOnce(() => auth.owners(), 'auth');
  const resources = stack.move();
  return {
    whyNotReady: () => authAnswers() ?? served.whyNotReady(),
    front: { request: platform.handle },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
