import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAuth } from '../auth/index.ts';
import {
  type Builder,
  createBuilder,
  createFolderBuildSecrets,
  createPrebuiltImages,
  openRegistries,
  openTemplates,
} from '../builder/index.ts';
import type { Accounts, Owner } from '../core/auth.ts';
import type { PendingDeploys } from '../core/catalog.ts';
import { defaultEnvironment } from '../core/environments.ts';
import { TowlineError } from '../core/errors.ts';
import type { Person } from '../core/source-event.ts';
import {
  createEnvironments,
  createGitOpsRepository,
  createManifestWriter,
  defaultNamespace,
} from '../manifest-writer/index.ts';
import { createRouter, routerDefaults } from '../router/index.ts';
import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { openAuditTrail } from '../runtime/audit/audit-trail.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { keptSecret } from '../runtime/kept-secret.ts';
import type { Logger } from '../runtime/logger.ts';
import { createPlatformApi } from '../ui/server/index.ts';
import { createArtifactSweep } from './artifact-sweep.ts';
import type { LocalConfig } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import { createLocalEngine } from './engine.ts';
import { createFront } from './front.ts';
import { createGitHost, type GitHost } from './git-host/index.ts';
import { followGitOpsPush } from './gitops-progress.ts';
import type { Installation } from './installation.ts';
import type { Front } from './listen.ts';
import { firstOwner, keptToken } from './secrets.ts';
import { createServedEnvironments, type LocalEnvironment } from './served-environments.ts';

export interface PlatformDeps {
  data: DataFolder;
  installation: Installation;
  logger: Logger;
  /** As `http://localhost:8080`: the one address that people and programs use. */
  origin: string;
  packageDir: string;
  webDir: string;
  version: string;
  /** PATH for git, node, python and what builds need. */
  path: string;
  /** For builds, besides the PATH: proxies and package indexes. */
  buildEnvironment: Record<string, string>;
  /** For the docker command: where its engine is. */
  dockerEnvironment: Record<string, string>;
  signal: AbortSignal;
}

export interface Platform extends AsyncDisposable {
  front: Front;
  owner: Owner;
  /** For git and the CLI on this machine. */
  token: string;
  /** Takes up what an earlier run left, once requests can be served. */
  start(): Promise<void>;
  loginUrl(): Promise<string>;
  functionUrl(owner: string, functionName: string): string;
}

const gitOpsBranch = 'main';
const committer = { name: 'Towline', email: 'towline@towline.localhost' };
const minute = 60_000;

async function assertNoOwner(accounts: Accounts, environments: readonly string[]): Promise<void> {
  const slugs = new Set((await accounts.owners()).map(({ slug }) => slug));
  const taken = environments.find((name) => name !== defaultEnvironment && slugs.has(name));
  if (taken === undefined) return;
  throw new TowlineError('config_invalid', `there is an owner "${taken}": no environment can be called so`, {
    hint: 'give the environment another name in towline.yaml',
  });
}

/** Every service in one process, with the adapters of one machine. No service knows that it runs here. */
export async function createPlatform(config: LocalConfig, deps: PlatformDeps): Promise<Platform> {
  const { data, installation, logger, origin, path, packageDir, signal } = deps;
  await using stack = new AsyncDisposableStack();
  const events = createEventBus();
  const gitBaseUrl = `${origin}/git`;
  for (const dir of ['keys', 'repos', 'artifacts', 'logs', 'functions', 'work'])
    mkdirSync(data.at(dir), { recursive: true, mode: 0o700 });
  const audit = stack.use(
    openAuditTrail({ path: data.at('audit.db'), webhook: auditWebhookOf(config) }, { logger }),
  );
  const webhookSecret = keptSecret(data.at('keys', 'webhook-secret'));

  const environments = createEnvironments(installation.environments);
  const auth = stack.use(
    await createAuth(
      {
        databasePath: data.at('auth.db'),
        keysDir: data.at('keys'),
        publicOrigin: origin,
        issuer: 'towline',
        // Hosts below an environment's name are other people's: they must not be below an owner's.
        reservedOwners: environments.names.filter((name) => name !== defaultEnvironment),
        sessionTtlMs: 12 * 60 * minute,
        ticketTtlMs: 10 * minute,
        ciIssuers: config.ciIssuers,
        ciAudience: config.ciAudience,
      },
      { logger, audit },
    ),
  );
  await assertNoOwner(auth, environments.names);
  const owner = await firstOwner(auth, config.owner);
  const loginLink = async (ownerId: string, by?: Person) =>
    `${origin}/login?ticket=${(await auth.createLoginTicket(ownerId, by)).ticket}`;
  const token = await keptToken(data.at('cli-token'), owner, auth);

  await createGitOpsRepository({
    path: data.at('gitops.git'),
    templateDir: join(packageDir, 'gitops-repo-template', 'base'),
    branch: gitOpsBranch,
    committer,
    env: { PATH: path },
  });
  const registries = stack.use(openRegistries(data.at('registries'), config.registries));
  const engine = stack.use(
    await createLocalEngine(config, {
      ...deps,
      registryCredentials: registries.credentials,
      ownerLogins: registries.logins,
      allowedRegistries: registries.allowed,
      readSecret: createFolderBuildSecrets(data.at('secrets')).value,
    }),
  );
  const served = stack.use(
    await createServedEnvironments(
      {
        names: environments.names,
        branch: gitOpsBranch,
        path,
        readyTimeoutMs: config.readyTimeoutMs,
        idleAfterMs: config.idleAfterMs,
        // Whatever holds a function up, nobody waits for an answer of it any more.
        stuckAfterMs: config.stuckAfterMs ?? Math.max(2 * minute, 2 * config.headersTimeoutMs),
        origin,
      },
      { data, logger, events, engine },
    ),
  );
  const { functionUrl, reconciler } = served;
  const { catalog } = served.main;
  const writer = stack.use(
    await createManifestWriter(
      {
        remoteUrl: data.at('gitops.git'),
        clonePath: data.at('writer.git'),
        branch: gitOpsBranch,
        committer,
        namespace: defaultNamespace,
        ...installation,
        path,
      },
      {
        logger,
        audit: { trail: audit, origin },
        onPushed: reconciler.nudge,
        onHoldEnded: ({ spec, provenance, buildId }) =>
          events.publish({
            type: 'hold.ended',
            ownerId: provenance.ownerId,
            owner: spec.owner,
            functionName: spec.functionName,
            buildId,
          }),
        imageExists: (image) => engine.imageExists(image),
      },
    ),
  );

  stack.use(
    createArtifactSweep(
      { gitopsPath: data.at('gitops.git'), path },
      { shelf: engine.shelf, logger, imagesInUse: served.imagesInUse },
    ),
  );
  const gitHost: GitHost = stack.use(
    await createGitHost(
      {
        reposDir: data.at('repos'),
        gitopsPath: data.at('gitops.git'),
        committerEmail: committer.email,
        publicOrigin: origin,
        basePath: '/git',
        webhookUrl: `${origin}/webhooks/git`,
        webhookSecret,
        hookDir: data.at('hooks'),
        path,
      },
      {
        logger,
        authenticator: auth,
        accounts: auth,
        events,
        builds: () => builder,
        onGitOpsPush: reconciler.nudge,
        followGitOps: (push, stop) =>
          followGitOpsPush(
            {
              gitopsPath: data.at('gitops.git'),
              path,
              functionUrl,
              timeoutMs: config.readyTimeoutMs + minute,
            },
            { writer, reconciler },
            push,
            stop,
          ),
        functionUrl,
        logUrl: (slug: string, pushId: string) => `${origin}/${slug}/pushes/${pushId}`,
      },
    ),
  );
  const builder: Builder = stack.use(
    await createBuilder(
      {
        databasePath: data.at('builder.db'),
        logsDir: data.at('logs'),
        workDir: data.at('work'),
        webhookSecrets: [webhookSecret],
        buildTimeoutMs: config.buildTimeoutMs,
        maxConcurrentBuilds: config.maxConcurrentBuilds,
        maxLogBytes: config.maxLogBytes,
        maxAllLogBytes: config.maxAllLogBytes,
        logMaxAgeMs: config.logMaxAgeMs,
        logBucket: config.logBucket,
        maxContextBytes: config.maxContextBytes,
        // A deploy that waits for its function needs a little longer than the function is given.
        readyFollowTimeoutMs: config.readyTimeoutMs + minute,
        path,
      },
      {
        logger,
        manifestWriter: writer,
        reconciler,
        events,
        sourceAccess: gitHost.sourceAccess,
        engine: engine.build,
        buildSecrets: createFolderBuildSecrets(data.at('build-secrets')),
        prebuilt: createPrebuiltImages({ registry: registries.registry, target: engine.build }),
        templates: await openTemplates({
          ...config,
          bundledDir: join(packageDir, 'templates'),
          cacheDir: data.at('templates'),
          path,
        }),
        refs: environments,
        audit: { trail: audit, origin },
        catalogOf: served.catalogOf,
        functionUrl,
        signal,
      },
    ),
  );
  async function openRouter({ name, rootDomain, catalog }: LocalEnvironment) {
    const { trustedProxies, headersTimeoutMs, bodyIdleTimeoutMs, wakeTimeoutMs, maxBodyBytes } = config;
    const limits = { trustedProxies, headersTimeoutMs, bodyIdleTimeoutMs, wakeTimeoutMs, maxBodyBytes };
    const platformCookies = [auth.sessionCookieName];
    const pending: PendingDeploys = { pending: (owner, fn) => builder.pending(owner, fn, name) };
    const settings = { ...routerDefaults, ...limits, rootDomain, publicOrigin: origin, platformCookies };
    return {
      rootDomain,
      router: stack.use(await createRouter(settings, { catalog, pending, authenticator: auth, logger })),
    };
  }
  const { router } = await openRouter(served.main);
  const others = served.list.filter((one) => one !== served.main);
  const environmentRouters = await Promise.all(others.map(openRouter));
  const api = stack.use(
    await createPlatformApi(
      {
        publicOrigin: origin,
        gitBaseUrl,
        webDir: deps.webDir,
        version: deps.version,
        ciAudience: config.ciAudience,
      },
      {
        logger,
        authenticator: auth,
        accounts: auth,
        workloads: auth.workloads,
        catalog,
        environments: served.list,
        pending: builder,
        writer,
        builds: builder,
        events,
        repositories: gitHost,
        functionUrl,
        createLoginLink: loginLink,
      },
    ),
  );

  const resources = stack.move();
  return {
    front: createFront({ router, environmentRouters, gitHost, builder, auth, api }),
    owner,
    token,
    async start() {
      await served.start();
      await builder.start();
    },
    loginUrl: () => loginLink(owner.id),
    functionUrl,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
