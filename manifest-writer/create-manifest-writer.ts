import type { z } from 'zod';
import { TowlineError } from '../core/errors.ts';
import type { DeployIntent, ManifestWriter, WriteOptions } from '../core/manifest-writer.ts';
import type { GitOpsBranch, GitOpsCommits } from '../core/reconciler.ts';
import type { ClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { delay } from '../runtime/lifecycle.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Submission } from './committing/callers.ts';
import { createBatchCommitter } from './committing/commit-batch.ts';
import { createIntentQueue, type QueueState } from './committing/intent-queue.ts';
import { defaultPushesPerMinute, systemTiming, type Timing } from './committing/pace.ts';
import { createEnvironments, type EnvironmentConfig } from './environments/environments.ts';
import { createGitOpsCommits } from './history/gitops-commits.ts';
import { createHistoryReader } from './history/history-reader.ts';
import { outcomeAfterHold } from './holding/after-hold.ts';
import { waitsOn } from './holding/out-of-date.ts';
import { createReleaser } from './holding/release-waiting.ts';
import { removalAnswers } from './holding/removal-answers.ts';
import { openWaitingStore } from './holding/waiting-store-sqlite.ts';
import { openHistoryIndex } from './index/history-index-sqlite.ts';
import { type IndexedRepository, withHistory } from './index/indexed-repository.ts';
import { auditIntents, auditRejection, type WriterAudit } from './intents/audit-of-intent.ts';
import { createSqliteIntentLog } from './intents/intent-log-sqlite.ts';
import { keptIntent, planIntent, type WriteIntent } from './intents/write-intent.ts';
import { safeSignature } from './message/ident.ts';
import { isFunction, manifestPath } from './paths.ts';
import type { PlanningContext } from './planning/decision.ts';
import { createImageCheck } from './planning/image-check.ts';
import { createPolicy } from './policy/policy.ts';
import type { PolicyConfig } from './policy/policy-config.ts';
import { type ProvisioningConfig, readProvisioning } from './provisioning/provisioning.ts';
import {
  createTenantPublisher,
  type PublishingConfig,
  type TenantPublisher,
} from './publishing/tenant-publisher.ts';
import type { Target } from './render/target.ts';
import { DamagedCopyError } from './repository/manifest-repository.ts';
import { openGitRepository } from './repository/manifest-repository-git.ts';
import type { RemoteAccessConfig } from './repository/remote-access.ts';
import { whyNotSecrets } from './secrets/plan-secrets.ts';
import { SecretRules } from './secrets/secret-rules.ts';
import { createSshSigner } from './signing/ssh-signer.ts';

export interface ManifestWriterLimits {
  /** Milliseconds for one fetch or push. */
  remoteTimeoutMs: number;
  /** Intents that may wait at once; more are refused with `unavailable`. */
  maxQueued: number;
  /** Commits in one push. */
  maxBatch: number;
  /** How often a batch is built anew after somebody else's push. */
  maxAttempts: number;
  /** Milliseconds that stopping waits for a push that is on its way. */
  stopGraceMs: number;
  /** Milliseconds before the second try and the longest wait between tries while the remote is away. */
  retryFirstMs: number;
  retryMaxMs: number;
  /** Finished intents whose outcome is still told to whoever asks again. */
  maxFinished: number;
  /** Milliseconds between looks for functions that a person resumed in git itself. */
  lookForResumedMs: number;
}

export interface ManifestWriterConfig {
  /** The GitOps repository: a path or a URL without credentials. */
  remoteUrl: string;
  /** The writer's own bare clone; made if it isn't there, made anew if it is broken. */
  clonePath: string;
  branch: string;
  committer: { name: string; email: string };
  /** Of the functions' objects in the default environment; others that say none add their name to it. */
  namespace: string;
  /** What functions become in the cluster; `openfaas` by default. */
  target?: Target | undefined;
  /** What functions may ask for; by default everything that is safe. */
  policy?: PolicyConfig | undefined;
  /** What `secrets.yml` may hold; by default SealedSecrets and SOPS files. */
  secrets?: z.input<typeof SecretRules> | undefined;
  /** The PATH on which git is found. */
  path: string;
  /** Who the writer is for the remote, and the way there. */
  access?: RemoteAccessConfig | undefined;
  /** The text of an SSH private key without a passphrase: every commit is signed with it. Kept in memory alone. */
  signingKey?: string | undefined;
  /** Where the history is kept at hand; by default a file beside the clone. Can be deleted: it is made from git. */
  indexPath?: string | undefined;
  /** Where deploys of held functions and large removals wait; by default a file beside the clone. One writer's own. */
  waitingPath?: string | undefined;
  /** Which branches and tags go where. */
  environments?: readonly EnvironmentConfig[] | undefined;
  /** Where accepted intents are kept until their outcome; by default a file beside the clone. One writer's own. */
  intentsPath?: string | undefined;
  /** Pushes a hosted forge takes; by default 6 on github.com and any number elsewhere. */
  maxPushesPerMinute?: number | undefined;
  limits?: Partial<ManifestWriterLimits> | undefined;
  /** Who sets up new tenants in the cluster; nobody has to, if it isn't given. */
  provisioning?: ProvisioningConfig | undefined;
  /** Hands tenants' folders to Flux, each as an artifact of its own; needs `deps.cluster`. */
  publishing?: PublishingConfig | undefined;
}

export interface ManifestWriterDeps {
  logger: Logger;
  /** Where it is kept what people did; without it nothing of it is kept. */
  audit?: WriterAudit | undefined;
  /** The API server that `publishing` is for. */
  cluster?: ClusterApi | undefined;
  /** Whether a registry or store still has an image; within a time of its own. Not knowing doesn't stop a rollback. */
  imageExists?: ((image: string) => Promise<boolean>) | undefined;
  /** Milliseconds since the epoch. */
  clock?: (() => number) | undefined;
  /** Called after each batch that may have moved the branch, so that whoever applies it can be nudged. */
  onPushed?: (() => void) | undefined;
  /** Told when a deploy that was answered `held` waits no more; `afterHold` says what became of it. Must not throw. */
  onHoldEnded?: ((intent: DeployIntent) => void) | undefined;
  /** How the writer waits; its clock is for waiting alone. */
  timing?: Timing | undefined;
  /** Source of randomness in [0, 1). */
  random?: (() => number) | undefined;
}

/** A ManifestWriter whose intents outlive it. */
export interface DurableManifestWriter extends ManifestWriter, GitOpsBranch, AsyncDisposable {
  /** For callers that go on once the intent is kept; a deploy is one intent by its build, others by `id`. */
  submit(intent: WriteIntent, signal?: AbortSignal, options?: WriteOptions): Submission;
  /** What is accepted and not finished, and why it waits. */
  state(): QueueState;
  /** For a reconciler that has to know what contains what. */
  commits: GitOpsCommits;
}

const defaultLimits: ManifestWriterLimits = {
  remoteTimeoutMs: 30_000,
  maxQueued: 10_000,
  maxBatch: 500,
  maxAttempts: 20,
  stopGraceMs: 5_000,
  retryFirstMs: 250,
  retryMaxMs: 30_000,
  maxFinished: 20_000,
  lookForResumedMs: 10_000,
};

const maxObjectBytes = 8 * 1024 * 1024;
/** Each leaves a pack behind; housekeeping joins them. */
const batchesBetweenMaintenance = 50;

/** The manifest-writer on a git repository. Starts even if the remote is away, if it has been reached before. */
export async function createManifestWriter(
  config: ManifestWriterConfig,
  deps: ManifestWriterDeps,
): Promise<DurableManifestWriter> {
  const limits = { ...defaultLimits, ...config.limits };
  // Before anything is opened that a mistake would leave open.
  const rules = rulesOf(config);
  const repository = await openGitRepository({
    remoteUrl: config.remoteUrl,
    clonePath: config.clonePath,
    branch: config.branch,
    searchPath: config.path,
    remoteTimeoutMs: limits.remoteTimeoutMs,
    maxObjectBytes,
    access: config.access,
    signer: config.signingKey === undefined ? undefined : createSshSigner(config.signingKey),
  });
  const index = openHistoryIndex({
    path: config.indexPath ?? `${config.clonePath}.index.db`,
    repository,
    onRebuild: (err) => deps.logger.warn({ err }, 'the index of the history is broken: making it anew'),
  });
  const { cluster, logger } = deps;
  const { email } = safeSignature(config.committer);
  const publisher =
    config.publishing && cluster
      ? await createTenantPublisher(publishingOf(config.publishing, rules), {
          ...{ api: cluster, repository, logger },
        })
      : undefined;
  const opened = { repository: withHistory(repository, index, email), publisher };
  return createWriter(config, deps, { limits, rules, ...opened });
}

/** What is asked of every intent. Throws `config_invalid`. */
function rulesOf(config: ManifestWriterConfig) {
  const environments = createEnvironments(config.environments, config.namespace);
  return {
    namespace: config.namespace,
    target: config.target ?? 'openfaas',
    policy: createPolicy(config.policy),
    secrets: SecretRules.parse(config.secrets ?? {}),
    environments,
    provisioning: readProvisioning(config.provisioning, environments),
  } as const;
}

/**
 * If it doesn't say what to publish: the environments of the installation's first cluster, and their tenants' set-ups,
 * whoever makes them: nothing else hands them over where the writer publishes.
 */
function publishingOf(
  publishing: PublishingConfig,
  { environments: { names, get } }: ReturnType<typeof rulesOf>,
): PublishingConfig {
  const environments = names.filter((name) => get(name)?.cluster === '');
  return { environments, setUps: true, ...publishing };
}

interface Opened {
  limits: ManifestWriterLimits;
  rules: ReturnType<typeof rulesOf>;
  repository: IndexedRepository;
  publisher: TenantPublisher | undefined;
}

function createWriter(
  config: ManifestWriterConfig,
  deps: ManifestWriterDeps,
  { limits, rules, repository, publisher }: Opened,
): DurableManifestWriter {
  const { logger, clock = Date.now, onPushed, timing = systemTiming, random = Math.random } = deps;
  const stopping = new AbortController();
  const committer = safeSignature(config.committer);
  const waiting = openWaitingStore(config.waitingPath ?? `${config.clonePath}.waiting.db`, ({ intent }) =>
    deps.onHoldEnded?.(intent),
  );
  const context: PlanningContext = { ...rules, committer, waiting, now: clock };
  const reader = createHistoryReader(repository, committer.email);
  const onRepair = (err: Error) => logger.warn({ err }, "the writer's clone is broken: making it anew");
  let batches = 0;
  /** The newest that this writer has tried to push. Before the answer: a webhook may be faster. */
  let pushed: string | undefined;
  let maintenance: Promise<void> | undefined;

  const log = createSqliteIntentLog({
    path: config.intentsPath ?? `${config.clonePath}.intents.db`,
    maxFinished: limits.maxFinished,
  });
  const pushesPerMinute = config.maxPushesPerMinute ?? defaultPushesPerMinute(config.remoteUrl);
  const commitBatch = createBatchCommitter({
    repository: {
      ...repository,
      push(commit, expected) {
        pushed = commit;
        return repository.push(commit, expected);
      },
    },
    maxAttempts: limits.maxAttempts,
    paced: pushesPerMinute !== undefined,
    signal: stopping.signal,
    timing,
    random,
    attempted(attempts) {
      for (const { one, attempt } of attempts) one.attempts = [...one.attempts, attempt];
      // A deploy is found again by its build.
      const others = attempts.filter(({ one }) => one.kept.kind !== 'deploy');
      if (others.length > 0)
        log.attempted(others.map(({ one, attempt }) => ({ id: one.kept.id, ...attempt })));
    },
    onLostRace: (attempt) => logger.info({ attempt }, 'the branch moved: building on its new head'),
    onRepair,
  });
  const queue = createIntentQueue({
    log,
    plan: (intent) => planIntent(intent, context, repository),
    maxQueued: limits.maxQueued,
    maxBatch: limits.maxBatch,
    pushesPerMinute,
    retry: { firstMs: limits.retryFirstMs, maxMs: limits.retryMaxMs },
    timing,
    random,
    onDelay: (waits, err) => logger.warn({ err, since: waits.since }, 'deploys wait'),
    onIdle: maintainNowAndThen,
    onFinishing: (settled) => auditIntents(deps.audit, settled, clock),
    commit(batch, tools) {
      batches += 1;
      return commitBatch(batch, tools).finally(() => {
        publisher?.pushed();
        onPushed?.();
        releaser.look();
      });
    },
  });
  const releaser = createReleaser({
    waiting,
    refresh: () => repository.refresh(),
    waitsOn: (deploy) => waitsOn(deploy, repository, repository.head()),
    release: (path) => submit({ kind: 'release', intent: { path } }).outcome,
    onError: (err) => logger.warn({ err }, 'a deploy that waited cannot be taken up now'),
    everyMs: limits.lookForResumedMs,
  });

  function submit(intent: WriteIntent, signal?: AbortSignal, options: WriteOptions = {}): Submission {
    const refusal = intent.kind === 'secrets' ? whyNotSecrets(intent.intent, context) : undefined;
    if (refusal) return { accepted: Promise.resolve(), outcome: Promise.resolve(refusal) };
    return queue.submit(keptIntent(intent, options.id), signal, options);
  }

  function maintainNowAndThen(): void {
    if (batches < batchesBetweenMaintenance || maintenance) return;
    batches = 0;
    maintenance = repository
      .maintain()
      .catch((err: unknown) => logger.warn({ err }, "housekeeping of the writer's clone failed"))
      .finally(() => {
        maintenance = undefined;
      });
  }

  /** The remote's head, or the newest known one while the remote is away: reading goes on. */
  async function readableHead(): Promise<string> {
    try {
      const head = await repository.refresh();
      releaser.look();
      return head;
    } catch (err) {
      if (!(err instanceof TowlineError) || err.code !== 'remote_unavailable') throw err;
      logger.warn({ err }, 'reading from what was fetched before');
      return repository.head();
    }
  }

  async function reading<T>(read: (head: string) => Promise<T>): Promise<T> {
    try {
      return await read(await readableHead());
    } catch (error) {
      if (!(error instanceof DamagedCopyError)) throw error;
      onRepair(error);
      await repository.repair();
      return await read(repository.head());
    }
  }

  async function look(commit?: string): Promise<boolean> {
    if (commit !== undefined && commit === pushed) return false;
    const head = commit === repository.head() ? commit : await repository.refresh();
    releaser.look();
    publisher?.pushed();
    return head !== pushed;
  }

  const images = createImageCheck({ repository, imageExists: deps.imageExists, reading, logger });

  return {
    submit,
    state: () => queue.state(),
    look,
    commits: createGitOpsCommits(repository),
    deploy: (intent, signal, options) => submit({ kind: 'deploy', intent }, signal, options).outcome,
    remove: (intent, signal, options) => submit({ kind: 'remove', intent }, signal, options).outcome,
    revert: async (intent, signal, options) =>
      (await images.whyNotRevert(intent)) ?? submit({ kind: 'revert', intent }, signal, options).outcome,
    undo: async (intent, signal, options) =>
      (await images.whyNotUndo(intent)) ?? submit({ kind: 'undo', intent }, signal, options).outcome,
    hold: (intent, signal, options) => submit({ kind: 'hold', intent }, signal, options).outcome,
    resume: (intent, signal, options) => submit({ kind: 'resume', intent }, signal, options).outcome,
    afterHold: (query) => reading((head) => outcomeAfterHold(query, { waiting, repository, head })),
    async withdraw({ reason, ...query }) {
      const { owner, functionName, environment, buildId } = query;
      if (isFunction(owner, functionName)) {
        const path = manifestPath(owner, functionName, environment);
        await submit({ kind: 'withdraw', intent: { path, buildId, reason } }).outcome;
      }
      return reading((head) => outcomeAfterHold(query, { waiting, repository, head }));
    },
    promote: async (intent, signal, options) =>
      (await images.whyNotPromote(intent)) ?? submit({ kind: 'promote', intent }, signal, options).outcome,
    ...removalAnswers(waiting, {
      remove: (intent) => submit({ kind: 'remove', intent }).outcome,
      onRejected: (removal, answer) => deps.audit?.trail.record(auditRejection(removal, answer, clock())),
    }),
    secrets: (intent, signal, options) => submit({ kind: 'secrets', intent }, signal, options).outcome,
    history: (query) => reading((head) => reader.history(head, query)),
    diff: (query) => reading((head) => reader.diff(head, query)),
    at: (query) => reading((head) => reader.at(head, query)),
    configuration: (query) => reading((head) => reader.configuration(head, query)),
    current: (owner, environment) => reading((head) => reader.current(head, owner, environment)),
    async [Symbol.asyncDispose]() {
      await publisher?.[Symbol.asyncDispose]();
      const grace = new AbortController();
      const released = releaser[Symbol.asyncDispose]();
      const stopped = queue[Symbol.asyncDispose]();
      await Promise.race([stopped, delay(limits.stopGraceMs, grace.signal).catch(() => {})]);
      grace.abort();
      stopping.abort(new TowlineError('unavailable', 'the manifest-writer is stopping'));
      await repository[Symbol.asyncDispose]();
      await stopped;
      await maintenance;
      await released;
      log[Symbol.dispose]();
      waiting[Symbol.dispose]();
    },
  };
}
