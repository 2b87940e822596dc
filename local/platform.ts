import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAuth } from '../auth/index.ts';
import {
  type Builder,
  createBuilder,
  createFolderBuildSecrets,
  createPrebuiltImages,
  openTemplates,
} from '../builder/index.ts';
import type { Owner } from '../core/auth.ts';
import { createGitOpsRepository, createManifestWriter } from '../manifest-writer/index.ts';
import { createRouter, routerDefaults } from '../router/index.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import type { Logger } from '../runtime/logger.ts';
import { createPlatformApi } from '../ui/server/index.ts';
import { createApplyLoop } from './apply/index.ts';
import { createArtifactSweep } from './artifact-sweep.ts';
import type { LocalConfig } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import { createLocalEngine } from './engine.ts';
import { createFront } from './front.ts';
import { createSupervisor } from './functions/index.ts';
import { createGitHost, type GitHost } from './git-host/index.ts';
import { followGitOpsPush } from './gitops-progress.ts';
import type { Front } from './listen.ts';
import { openRegistries } from './registries.ts';
import { firstOwner, keptSecret, keptToken } from './secrets.ts';

export interface PlatformDeps {
  data: DataFolder;
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
  loginUrl(): string;
  functionUrl(owner: string, functionName: string): string;
}

const gitOpsBranch = 'main';
const committer = { name: 'Towline', email: 'towline@towline.localhost' };
const minute = 60_000;

/** Where people reach a function: `http://<owner>.localhost:8080/<function>`. */
function functionAddress(origin: string): (owner: string, functionName: string) => string {
  const url = new URL(origin);
  return (owner, functionName) => `${url.protocol}//${owner}.${url.host}/${functionName}`;
}

/** Every service in one process, with the adapters of one machine. No service knows that it runs here. */
export async function createPlatform(config: LocalConfig, deps: PlatformDeps): Promise<Platform> {
  const { data, logger, origin, path, packageDir, signal } = deps;
  await using stack = new AsyncDisposableStack();
  const events = createEventBus();
  const functionUrl = functionAddress(origin);
  const gitBaseUrl = `${origin}/git`;
  for (const dir of ['keys', 'repos', 'artifacts', 'logs', 'functions', 'work'])
    mkdirSync(data.at(dir), { recursive: true, mode: 0o700 });
  const webhookSecret = keptSecret(data.at('keys', 'webhook-secret'));

  const auth = stack.use(
    await createAuth(
      {
        databasePath: data.at('auth.db'),
        keysDir: data.at('keys'),
        publicOrigin: origin,
        issuer: 'towline',
        sessionTtlMs: 12 * 60 * minute,
        ticketTtlMs: 10 * minute,
        ciIssuers: config.ciIssuers,
        ciAudience: config.ciAudience,
      },
      { logger },
    ),
  );
  const owner = firstOwner(auth, config.owner);
  const token = await keptToken(data.at('cli-token'), owner, auth);

  await createGitOpsRepository({
    path: data.at('gitops.git'),
    templateDir: join(packageDir, 'gitops-repo-template'),
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
      readSecret: createFolderBuildSecrets(data.at('secrets')).value,
    }),
  );
  const supervisor = stack.use(
    await createSupervisor(
      {
        artifactsDir: data.at('artifacts'),
        stateDir: data.at('functions'),
        path,
        readyTimeoutMs: config.readyTimeoutMs,
        idleAfterMs: config.idleAfterMs,
      },
      { logger, events, makeStarter: engine.makeStarter },
    ),
  );
  const applyLoop = stack.use(
    await createApplyLoop(
      { gitopsPath: data.at('gitops.git'), branch: gitOpsBranch, pollMs: 5_000, path },
      { supervisor, logger, events },
    ),
  );
  const writer = stack.use(
    await createManifestWriter(
      {
        remoteUrl: data.at('gitops.git'),
        clonePath: data.at('writer.git'),
        branch: gitOpsBranch,
        committer,
        namespace: 'openfaas-fn',
        path,
      },
      {
        logger,
        onPushed: () => applyLoop.nudge(),
        imageExists: (image) => engine.imageExists(image),
      },
    ),
  );

  stack.use(
    createArtifactSweep(
      { gitopsPath: data.at('gitops.git'), path },
      { shelf: engine.shelf, logger, imagesInUse: () => supervisor.imagesInUse() },
    ),
  );
  const gitHost: GitHost = stack.use(
    await createGitHost(
      {
        reposDir: data.at('repos'),
        gitopsPath: data.at('gitops.git'),
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
        onGitOpsPush: () => applyLoop.nudge(),
        followGitOps: (push, stop) =>
          followGitOpsPush(
            {
              gitopsPath: data.at('gitops.git'),
              path,
              functionUrl,
              timeoutMs: config.readyTimeoutMs + minute,
            },
            { writer, reconciler: applyLoop },
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
        reconciler: applyLoop,
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
        catalog: supervisor,
        functionUrl,
        signal,
      },
    ),
  );
  const router = stack.use(
    await createRouter(
      {
        ...routerDefaults,
        trustedProxies: config.trustedProxies,
        headersTimeoutMs: config.headersTimeoutMs,
        bodyIdleTimeoutMs: config.bodyIdleTimeoutMs,
        wakeTimeoutMs: config.wakeTimeoutMs,
        maxBodyBytes: config.maxBodyBytes,
        publicOrigin: origin,
        platformCookies: [auth.sessionCookieName],
      },
      { catalog: supervisor, pending: builder, logger },
    ),
  );
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
        catalog: supervisor,
        pending: builder,
        writer,
        builds: builder,
        events,
        repositories: gitHost,
        functionUrl,
        createLoginLink: (ownerId: string) =>
          `${origin}/login?ticket=${auth.createLoginTicket(ownerId).ticket}`,
      },
    ),
  );

  const resources = stack.move();
  return {
    front: createFront({ router, gitHost, builder, auth, api }),
    owner,
    token,
    async start() {
      await applyLoop.start();
      await builder.start();
    },
    loginUrl: () => `${origin}/login?ticket=${auth.createLoginTicket(owner.id).ticket}`,
    functionUrl,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
