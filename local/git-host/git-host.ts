import { realpath } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from '../../core/access.ts';
import type { Accounts, Authenticator } from '../../core/auth.ts';
import type { BuildService } from '../../core/build-service.ts';
import type { EventBus } from '../../core/events.ts';
import type { RepositoryHost } from '../../core/repository-host.ts';
import { gitConfigEnvironment } from '../../runtime/git.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type AccessGate, createAccessGate, type Grant } from './access-gate.ts';
import { createAdmission } from './admission.ts';
import { durable } from './durability.ts';
import { type GitRequest, isRefusal, parseGitRequest, type Refusal } from './git-request.ts';
import { type GitOpsPushDeps, handleGitOpsPush } from './gitops-push.ts';
import { startGitOpsUpkeep } from './gitops-upkeep.ts';
import { type HookHandler, openHookEndpoint } from './hook-endpoint.ts';
import { writeHookFiles } from './hook-files.ts';
import { createHostedRepositories, type HostedSourceAccess } from './hosted-repositories.ts';
import { createHousekeeping } from './housekeeping.ts';
import { openHttpBackend } from './http-backend.ts';
import { watchPushes } from './push-progress.ts';
import { openRepositoryDeletion } from './repository-deletion.ts';
import { openRepositoryStore } from './repository-store.ts';
import { handleSourcePush, personOf } from './source-push.ts';
import { removeStaleLocks } from './stale-locks.ts';
import { createWebhookClient } from './webhook-client.ts';

export interface GitHostConfig {
  reposDir: string;
  /** The bare GitOps repository; somebody else makes it and writes to it. */
  gitopsPath: string;
  /** Towline's own in that repository: nobody can push commits with it. */
  committerEmail: string;
  /** As `http://localhost:8080`. */
  publicOrigin: string;
  /** As `/git`. */
  basePath: string;
  /** Where events are posted: the platform's own webhook intake. */
  webhookUrl: string;
  webhookSecret: string;
  /** The git host's own folder, for hooks. */
  hookDir: string;
  /** PATH of the children. */
  path: string;
  /** Largest pack of one push, in bytes. Default 256 MB. */
  maxPackBytes?: number | undefined;
  /** How long a pusher is shown a push's progress, in milliseconds. Default 30 minutes. */
  progressTimeoutMs?: number | undefined;
  /** Silence, in milliseconds, after which the pusher is shown a sign of life. Default 10 s. */
  keepaliveMs?: number | undefined;
  /** How long a transfer may stand still, in milliseconds. Default 60 s. */
  stallTimeoutMs?: number | undefined;
  /** How often stale locks of the GitOps repository are looked for, in milliseconds. Default 30 s. */
  upkeepEveryMs?: number | undefined;
  /** How many repositories an owner may have here. Default 200. */
  maxRepositoriesPerOwner?: number | undefined;
}

export interface GitHostDeps extends GitOpsPushDeps {
  logger: Logger;
  authenticator: Authenticator;
  accounts: Accounts;
  events: EventBus;
  /** Asked for late, because the builder is made after the git host. */
  builds: () => BuildService;
  functionUrl(owner: string, functionName: string, environment?: string): string;
  logUrl(owner: string, pushId: string): string;
}

export interface GitHost extends RepositoryHost, AsyncDisposable {
  /** Answers everything under the base path. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  sourceAccess: HostedSourceAccess;
  isSourceRepository(owner: string, name: string): Promise<boolean>;
}

const defaultMaxPackBytes = 256 * 1024 * 1024;
/** What a push sends besides its pack: the list of ref updates. */
const bodyOverhead = 8 * 1024 * 1024;
const minute = 60_000;
const admissionLimits = { total: 64, perOwner: 24 };

function refuse(response: ServerResponse, refusal: Refusal): void {
  response.writeHead(refusal.status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    ...refusal.headers,
  });
  response.end(`${refusal.message}\n`);
}

const busy: Refusal = {
  status: 503,
  message: 'Too many git requests at once. Try again in a moment.',
  headers: { 'retry-after': '5' },
};

/** Settings of every served repository. They override the repository's own. */
function servedConfig(grant: Grant, hooksPath: string, maxPackBytes: number): Record<string, string> {
  const settings = {
    'safe.directory': grant.path,
    'core.hooksPath': hooksPath,
    'core.logAllRefUpdates': 'true',
    'http.uploadpack': 'true',
    'http.receivepack': 'true',
    'http.getanyfile': 'false',
    'uploadpack.allowAnySHA1InWant': 'true',
    'receive.denyDeleteCurrent': 'refuse',
    'receive.maxInputSize': String(maxPackBytes),
    'receive.autogc': 'false',
    'transfer.fsckObjects': 'true',
    'gc.auto': '0',
    ...durable,
  };
  // Beside its hook, which says more: a missing hook must not open the audit log.
  return grant.kind === 'gitops' ? { ...settings, 'receive.denyNonFastForwards': 'true' } : settings;
}

/** Git notes these with each ref that it moves, before it moves it: the pusher is known though nothing else gets done. */
function reflogIdentity({ identity }: Grant): Record<string, string> {
  return { GIT_COMMITTER_NAME: identity.owner, GIT_COMMITTER_EMAIL: identity.ownerId };
}

/** Serves the source repositories and the GitOps repository over smart HTTP. */
export async function createGitHost(config: GitHostConfig, deps: GitHostDeps): Promise<GitHost> {
  const { logger, accounts } = deps;
  await using stack = new AsyncDisposableStack();
  const stopping = new AbortController();
  const maxPackBytes = config.maxPackBytes ?? defaultMaxPackBytes;
  const cloneUrl = (owner: string, name: string) =>
    `${config.publicOrigin}${config.basePath}/${owner}/${name}.git`;
  const progress = {
    timeoutMs: config.progressTimeoutMs ?? 30 * minute,
    keepaliveMs: config.keepaliveMs ?? 10_000,
  };

  const store = await openRepositoryStore(config.reposDir, config.path);
  const hooks = await writeHookFiles(config.hookDir, process.execPath, config.committerEmail);
  const webhook = createWebhookClient({ url: config.webhookUrl, secret: config.webhookSecret }, { logger });
  const deletion = stack.use(await openRepositoryDeletion(store.root, { webhook, logger }));
  const housekeeping = stack.use(createHousekeeping(config.path, { logger }));
  const gitopsPath = await realpath(config.gitopsPath);
  stack.use(
    await startGitOpsUpkeep(
      { gitopsPath, path: config.path, everyMs: config.upkeepEveryMs ?? minute / 2 },
      { housekeeping, logger },
    ),
  );
  const endpoint = stack.use(await openHookEndpoint({ logger }));
  const backend = stack.use(
    await openHttpBackend(
      {
        path: config.path,
        maxBodyBytes: maxPackBytes + bodyOverhead,
        stallTimeoutMs: config.stallTimeoutMs ?? minute,
      },
      { logger },
    ),
  );
  stack.defer(() => stopping.abort(new Error('the git host stops')));

  const gate: AccessGate = createAccessGate({
    authenticator: deps.authenticator,
    accounts,
    store,
    gitopsPath,
    maxRepositoriesPerOwner: config.maxRepositoriesPerOwner ?? 200,
    publicOrigin: config.publicOrigin,
    isDeleting: deletion.isPending,
  });
  const admission = createAdmission(admissionLimits);
  const sourcePush = {
    store,
    webhook,
    watch: () => watchPushes(progress, deps),
    cloneUrl,
    stopping: stopping.signal,
    logger,
  };

  function hookHandler(grant: Grant): HookHandler {
    return async (pushed, output) => {
      if (grant.kind === 'source') {
        const isDeleted = async () => (await store.find(grant.owner.slug, grant.name)) === undefined;
        return handleSourcePush(grant, pushed, output, { ...sourcePush, isDeleted });
      }
      return handleGitOpsPush({ updates: pushed.updates, actor: personOf(grant.identity) }, output, deps);
    };
  }

  /** What a push must not lose among a million other refs. A new repository takes `main` or `master` as its default. */
  async function deployedRefs(grant: Grant): Promise<string[]> {
    const branch = grant.kind === 'source' ? await store.defaultBranch(grant.path) : 'main';
    return [branch, 'main', 'master'].map((name) => `refs/heads/${name}`);
  }

  async function exchange(
    request: GitRequest,
    grant: Grant,
    http: { incoming: IncomingMessage; outgoing: ServerResponse },
  ): Promise<void> {
    const pushes = request.service === 'git-receive-pack' && request.step === 'exchange';
    const hook = pushes ? endpoint.issue(hookHandler(grant), await deployedRefs(grant)) : undefined;
    const settings = servedConfig(grant, grant.kind === 'gitops' ? hooks.gitops : hooks.source, maxPackBytes);
    const env = { ...gitConfigEnvironment(settings), ...(pushes ? reflogIdentity(grant) : {}), ...hook?.env };
    if (pushes) await removeStaleLocks(grant.path);
    try {
      const call = { request, repositoryPath: grant.path, env, user: grant.identity.owner };
      await backend.serve(call, http.incoming, http.outgoing);
    } finally {
      hook?.revoke();
      if (pushes && grant.kind === 'source') housekeeping.visit(grant.path);
    }
  }

  async function admit(
    request: GitRequest,
    identity: Identity,
    http: { incoming: IncomingMessage; outgoing: ServerResponse },
  ): Promise<void> {
    using place = admission.enter(identity.ownerId);
    if (!place) return refuse(http.outgoing, busy);
    const grant = await gate.open(request, identity);
    if (isRefusal(grant)) return refuse(http.outgoing, grant);
    if (http.incoming.headers.expect !== undefined) http.outgoing.writeContinue();
    await exchange(request, grant, http);
  }

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { headers } = incoming;
    const request = parseGitRequest(
      {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        contentType: headers['content-type'],
        contentEncoding: headers['content-encoding'],
      },
      config.basePath,
    );
    if (isRefusal(request)) return refuse(outgoing, request);
    if (stopping.signal.aborted) return refuse(outgoing, { status: 503, message: 'Towline is stopping.' });
    const identity = await gate.authenticate(headers.authorization);
    if (isRefusal(identity)) return refuse(outgoing, identity);
    await admit(request, identity, { incoming, outgoing });
  }

  const repositories = createHostedRepositories({
    store,
    deletion,
    accounts,
    cloneUrl,
    fetchConfig: hooks.fetchConfig,
  });
  const resources = stack.move();
  return {
    ...repositories,
    handle(incoming, outgoing) {
      serve(incoming, outgoing).catch((error: unknown) => {
        logger.error({ err: error }, 'a git request failed');
        if (outgoing.headersSent) outgoing.destroy();
        else
          refuse(outgoing, {
            status: 500,
            message: 'An internal error; the log of the platform has the details.',
          });
      });
    },
    async isSourceRepository(owner, name) {
      return (await store.find(owner, name)) !== undefined;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
