import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GitOpsCommits, Reconciler } from '../core/reconciler.ts';
import type { RoutersView } from '../core/routers.ts';
import { tenantObject } from '../core/tenants.ts';
import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { openAuditTrail } from '../runtime/audit/audit-trail.ts';
import { openServedEnvironments, type ServedEnvironments } from '../runtime/catalog/served-environments.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { refTargets } from '../runtime/installation/environment-rules.ts';
import { readInstallationRules } from '../runtime/installation/installation.ts';
import { keptSecret } from '../runtime/kept-secret.ts';
import type { ClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { connectCluster } from '../runtime/kubernetes/cluster-settings.ts';
import type { Logger } from '../runtime/logger.ts';
import { makeFolder } from '../runtime/make-folder.ts';
import { engineNamespace, isPublished } from '../runtime/program/gitops-settings.ts';
import type { OpenProgram, ProgramContext } from '../runtime/program/program.ts';
import { createHttpManifestWriter } from '../runtime/services/manifest-writer-http.ts';
import { createHttpRouters } from '../runtime/services/routers-http.ts';
import { checkServiceTokens, mountedServiceTokens } from '../runtime/services/service-access.ts';
import { deliveryLogBySettings } from './deliveries/postgres/delivery-log-by-settings.ts';
import { createBuildkitEngine } from './engines/build-engine-buildkit.ts';
import { buildkitConfig } from './engines/buildkit-settings.ts';
import { openRegistries } from './engines/open-registries.ts';
import { feedbackOf } from './feedback/feedback-settings.ts';
import { readForges } from './forge-settings.ts';
import { openGitOpsPushes } from './gitops-pushes.ts';
import { createBuildServiceCalls } from './http/build-service-calls.ts';
import { createBuilder } from './index.ts';
import { createPrebuiltImages } from './prebuilt/prebuilt-images-registry.ts';
import { type BuilderProgramConfig, builderProgramSettings } from './program-config.ts';
import { argoSetUp } from './reconcilers/application-nudge.ts';
import { reconcilerByEnvironment } from './reconcilers/by-environment.ts';
import { createArgoReconciler } from './reconcilers/reconciler-argocd.ts';
import { createFluxReconciler } from './reconcilers/reconciler-flux.ts';
import { createFolderBuildSecrets } from './secrets/build-secrets-folder.ts';
import { gitlabTokenOf, sourceAccessOf } from './source/source-access-by-settings.ts';
import { openTemplates } from './templates/open-templates.ts';

const templatesDir = fileURLToPath(new URL('../templates', import.meta.url));

/** Of forges: far more than they open, and few enough to be borne if strangers do. */
const maxConnections = 5000;

const routersTokenSetting = builderProgramSettings.routerTokenFile.env;

/** Reads every file that the settings name. Throws `config_invalid`. */
export function checkBuilder(config: BuilderProgramConfig): void {
  readInstallationRules(config.configFile);
  checkServiceTokens(config.serviceTokenFile);
  if (config.routerUrls) checkServiceTokens(config.routerTokenFile, routersTokenSetting);
  feedbackOf(config, readForges(config));
  auditWebhookOf(config);
  buildkitConfig(config, { path: '', workDir: '', cacheKey: '' });
}

/**
 * The builder with its calls and webhooks. Ready once its database is open: from then on deliveries are kept, whatever
 * else is away.
 */
export async function openBuilder(
  config: BuilderProgramConfig,
  { logger, signal, path }: ProgramContext,
): Promise<OpenProgram> {
  await using stack = new AsyncDisposableStack();
  const rules = readInstallationRules(config.configFile);
  const refs = refTargets(rules.environments);
  const forges = readForges(config);
  const tokens = mountedServiceTokens(config.serviceTokenFile, logger);
  const api = await connectCluster(config.kubeconfig);
  const at = (...names: string[]) => join(config.dataDir, ...names);
  for (const dir of ['keys', 'logs', 'work', 'templates']) makeFolder(at(dir));

  const audit = { path: at('audit.db'), webhook: auditWebhookOf(config) };
  const trail = stack.use(openAuditTrail(audit, { logger }));
  const events = createEventBus();
  const writer = stack.use(
    createHttpManifestWriter({ url: config.manifestWriterUrl, tokens, logger, events }),
  );
  const served = stack.use(openServedEnvironments(config, rules, { api, logger }));
  const routers = routersOf(config, { logger, stack });
  const reconciler = openReconcilers(config, {
    api,
    served,
    commits: writer.commits,
    routers,
    logger,
    stack,
  });
  const gitOps = stack.use(openGitOpsPushes(config, { api, branch: writer, logger }));
  const registries = stack.use(openRegistries(config.registriesDir ?? at('registries'), config.registries));
  const cacheKey = keptSecret(at('keys', 'installation'));
  const engine = stack.use(
    await createBuildkitEngine(buildkitConfig(config, { path, workDir: at('work'), cacheKey }), {
      ownerLogins: registries.logins,
      allowedRegistries: registries.allowed,
    }),
  );
  const deliveryLog = stack.use(await deliveryLogBySettings(config, logger));
  const builder = stack.use(
    await createBuilder(
      {
        ...config,
        databasePath: at('builder.db'),
        logsDir: at('logs'),
        workDir: at('work'),
        webhookSecrets: forges.gitSecrets,
        forges: forges.config,
        path,
      },
      {
        logger,
        manifestWriter: writer,
        reconciler,
        events,
        sourceAccess: sourceAccessOf(config, forges, { path, logger }),
        engine,
        buildSecrets: createFolderBuildSecrets(config.buildSecretsDir ?? at('build-secrets')),
        prebuilt: createPrebuiltImages({ registry: registries.registry, target: engine }),
        templates: await openTemplates({
          ...config,
          bundledDir: templatesDir,
          cacheDir: at('templates'),
          path,
        }),
        refs,
        catalogOf: served.catalogOf,
        functionUrl: served.functionUrl,
        gitlabToken: gitlabTokenOf(forges.gitlabTokens),
        feedback: feedbackOf(config, forges),
        audit: { trail, origin: config.publicOrigin },
        githubApp: forges.githubApp,
        gitOps,
        deliveryLog,
        signal,
      },
    ),
  );
  const resources = stack.move();
  return {
    whyNotReady: () => undefined,
    front: { request: builder.webhook, maxConnections },
    internal: createBuildServiceCalls(builder, {
      ...{ events, tokens, logger, signal },
      environments: refs.environments,
    }),
    start: () => builder.start(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function routersOf(
  { routerUrls: urls, routerTokenFile }: BuilderProgramConfig,
  { logger, stack }: Pick<ReconcilerDeps, 'logger' | 'stack'>,
): RoutersView | undefined {
  if (!urls) return undefined;
  const tokens = mountedServiceTokens(routerTokenFile, logger, routersTokenSetting);
  return stack.use(createHttpRouters({ urls, tokens }));
}

interface ReconcilerDeps {
  api: ClusterApi;
  served: ServedEnvironments;
  commits: GitOpsCommits;
  routers: RoutersView | undefined;
  logger: Logger;
  stack: AsyncDisposableStack;
}

function openReconcilers(
  config: BuilderProgramConfig,
  { api, served, commits, routers, logger, stack }: ReconcilerDeps,
): Reconciler {
  const namespace = engineNamespace(config);
  const open = served.list.map(({ name, catalog }) => {
    const deps = { api, catalog, commits, routers, logger };
    const objectOf = (owner: string) => tenantObject(owner, name);
    if (config.gitOpsEngine === 'argocd') {
      const settings = { namespace, applicationOf: objectOf, setUp: argoSetUp(name) };
      return [name, stack.use(createArgoReconciler(settings, deps))] as const;
    }
    const repository = isPublished(config) ? undefined : config.gitOpsRepositoryObject;
    const setUpRepository = config.gitOpsRepositoryObject;
    const settings = {
      ...{ namespace, repository, setUpRepository },
      ...{ environment: name, kustomizationOf: objectOf },
    };
    return [name, stack.use(createFluxReconciler(settings, deps))] as const;
  });
  return reconcilerByEnvironment(new Map<string, Reconciler>(open));
}
