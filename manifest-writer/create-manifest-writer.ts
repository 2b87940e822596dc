import { TowlineError } from '../core/errors.ts';
import type { ManifestWriter } from '../core/manifest-writer.ts';
import { delay } from '../runtime/lifecycle.ts';
import type { Logger } from '../runtime/logger.ts';
import { commitBatch } from './committing/commit-batch.ts';
import { createIntentQueue } from './committing/intent-queue.ts';
import { createHistoryReader } from './history/history-reader.ts';
import { safeSignature } from './message/ident.ts';
import type { PlanningContext } from './planning/decision.ts';
import { planDeploy } from './planning/plan-deploy.ts';
import { planRemove } from './planning/plan-remove.ts';
import { planRevert } from './planning/plan-revert.ts';
import { DamagedCopyError, type ManifestRepository } from './repository/manifest-repository.ts';
import { openGitRepository } from './repository/manifest-repository-git.ts';

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
}

export interface ManifestWriterConfig {
  /** The GitOps repository: a path or a URL without credentials. */
  remoteUrl: string;
  /** The writer's own bare clone; made if it isn't there, made anew if it is broken. */
  clonePath: string;
  branch: string;
  committer: { name: string; email: string };
  /** Of the functions' objects. */
  namespace: string;
  /** The PATH on which git is found. */
  path: string;
  limits?: Partial<ManifestWriterLimits> | undefined;
}

export interface ManifestWriterDeps {
  logger: Logger;
  /** Milliseconds since the epoch. */
  clock?: (() => number) | undefined;
  /** Called after each batch that may have moved the branch, so that whoever applies it can be nudged. */
  onPushed?: (() => void) | undefined;
}

const defaultLimits: ManifestWriterLimits = {
  remoteTimeoutMs: 30_000,
  maxQueued: 10_000,
  maxBatch: 200,
  maxAttempts: 20,
  stopGraceMs: 5_000,
};

const maxObjectBytes = 8 * 1024 * 1024;
/** Housekeeping costs some milliseconds even if there is nothing to do. */
const commitsBetweenMaintenance = 500;

/** The manifest-writer on a git repository. Starts even if the remote is away, if it has been reached before. */
export async function createManifestWriter(
  config: ManifestWriterConfig,
  deps: ManifestWriterDeps,
): Promise<ManifestWriter & AsyncDisposable> {
  const limits = { ...defaultLimits, ...config.limits };
  const repository = await openGitRepository({
    remoteUrl: config.remoteUrl,
    clonePath: config.clonePath,
    branch: config.branch,
    searchPath: config.path,
    remoteTimeoutMs: limits.remoteTimeoutMs,
    maxObjectBytes,
  });
  return createWriter(config, deps, limits, repository);
}

function createWriter(
  config: ManifestWriterConfig,
  { logger, clock = Date.now, onPushed }: ManifestWriterDeps,
  limits: ManifestWriterLimits,
  repository: ManifestRepository,
): ManifestWriter & AsyncDisposable {
  const stopping = new AbortController();
  const committer = safeSignature(config.committer);
  const context: PlanningContext = { committer, namespace: config.namespace, now: clock };
  const reader = createHistoryReader(repository, committer.email);
  const onRepair = (err: Error) => logger.warn({ err }, "the writer's clone is broken: making it anew");
  let commits = 0;
  let maintenance: Promise<void> | undefined;

  const queue = createIntentQueue({
    maxQueued: limits.maxQueued,
    maxBatch: limits.maxBatch,
    onIdle: maintainNowAndThen,
    commit(batch) {
      commits += batch.length;
      return commitBatch(batch, {
        repository,
        maxAttempts: limits.maxAttempts,
        signal: stopping.signal,
        onLostRace: (attempt) => logger.info({ attempt }, 'the branch moved: building on its new head'),
        onRepair,
      }).finally(() => onPushed?.());
    },
  });

  function maintainNowAndThen(): void {
    if (commits < commitsBetweenMaintenance || maintenance) return;
    commits = 0;
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
      return await repository.refresh();
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

  return {
    deploy: async (intent, signal) => await queue.submit(planDeploy(intent, context), signal),
    remove: async (intent, signal) => await queue.submit(planRemove(intent, context), signal),
    revert: async (intent, signal) => await queue.submit(planRevert(intent, context, repository), signal),
    history: (query) => reading((head) => reader.history(head, query)),
    diff: (query) => reading((head) => reader.diff(head, query)),
    at: (query) => reading((head) => reader.at(head, query)),
    current: (owner) => reading((head) => reader.current(head, owner)),
    async [Symbol.asyncDispose]() {
      const grace = new AbortController();
      const stopped = queue[Symbol.asyncDispose]();
      await Promise.race([stopped, delay(limits.stopGraceMs, grace.signal).catch(() => {})]);
      grace.abort();
      stopping.abort(new TowlineError('unavailable', 'the manifest-writer is stopping'));
      await repository[Symbol.asyncDispose]();
      await stopped;
      await maintenance;
    },
  };
}
