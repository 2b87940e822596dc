import type { FunctionCatalog } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import { objectName } from '../../core/names.ts';
import type { FollowTarget, GitOpsCommits, Reconciler } from '../../core/reconciler.ts';
import type { RoutersView } from '../../core/routers.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import type { ClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createReflector } from '../../runtime/kubernetes/reflector.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Alarm } from './alarm.ts';
import { type ArgoSetUp, createApplicationNudge } from './application-nudge.ts';
import { causeOf } from './apply-failure.ts';
import { type ArgoFailure, applicationOf, type ObservedApplication } from './argo-application.ts';
import { createLooks } from './argo-looks.ts';
import { createTelling } from './argo-telling.ts';
import { containing } from './commit-contained.ts';
import { type Applied, createFollowing, type Way } from './follow-commit.ts';
import { createPatience } from './patience.ts';
import type { Nudge } from './source-nudge.ts';

export interface ArgoReconcilerConfig {
  /** Where the Applications are. */
  namespace: string;
  /** The Application that applies a tenant's folder. */
  applicationOf(owner: string): string;
  /** What makes the Application of a new tenant: told to look while a followed one has none. */
  setUp?: ArgoSetUp | undefined;
  /** Milliseconds that a trouble which may pass has to last before it is told as a failure. Default: 15,000. */
  troubleMs?: number | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

export interface ArgoReconcilerDeps {
  api: ClusterApi;
  catalog: FunctionCatalog;
  commits: GitOpsCommits;
  /** What "live" is decided on; without it the catalog alone. */
  routers?: RoutersView | undefined;
  logger: Logger;
  now?: (() => number) | undefined;
}

/** Follows what Argo CD does with the pushed commits of one environment. */
export interface ArgoReconciler extends Reconciler, AsyncDisposable {
  synced: Promise<void>;
}

const engine = 'Argo CD';

/** An Application is told to look when one of its functions is followed: telling all would cost all tenants each push. */
export function createArgoReconciler(
  config: ArgoReconcilerConfig,
  { api, catalog, commits, routers, logger, now = Date.now }: ArgoReconcilerDeps,
): ArgoReconciler {
  const { namespace, troubleMs = 15_000 } = config;
  const changes = createChangeSignal();
  const closing = new AbortController();
  const notify = () => changes.notify();
  const path = `/apis/argoproj.io/v1alpha1/namespaces/${namespace}/applications`;
  const applications = createReflector({
    ...{ api, path, project: applicationOf, onChange: notify, retry: config.retry },
    onState(state) {
      notify();
      if (state.type === 'stale') logger.warn({ path, cause: state.cause }, 'Argo CD cannot be followed');
    },
  });
  const unsubscribe = catalog.subscribe(notify);
  const followCommit = createFollowing({ changes, catalog, commits, routers, troubleMs, now });
  const nudges = new Map<string, { nudge: Nudge; followers: number }>();
  const nudgeOf = (application: string) =>
    createApplicationNudge({ api, namespace, logger }, { application });
  const setUpNudge = createApplicationNudge({ api, namespace, logger }, config.setUp ?? {});

  /** One nudge for all who follow the same tenant. */
  async function whileNudged<T>(application: string, work: (nudge: Nudge) => Promise<T>): Promise<T> {
    const entry = nudges.get(application) ?? { nudge: nudgeOf(application), followers: 0 };
    nudges.set(application, entry);
    entry.followers += 1;
    entry.nudge();
    try {
      return await work(entry.nudge);
    } finally {
      entry.followers -= 1;
      if (entry.followers === 0) {
        nudges.delete(application);
        await entry.nudge[Symbol.asyncDispose]();
      }
    }
  }

  function whyNotSynced(key: string, target: FollowTarget): string | undefined {
    const seen = applications.table.get(key);
    if (!seen) return `the cluster has no Application ${key}: ${target.owner} is not set up there`;
    if (!seen.isAutomated) return `the Application ${key} does not sync by itself: somebody has to sync it`;
    return seen.failure && causeOf(seen.failure, target, engine).cause.message;
  }

  function whyBlind(): string | undefined {
    const state = applications.state();
    return state.type === 'stale' ? `the cluster cannot be seen: ${state.cause}` : undefined;
  }

  function wayOf(target: FollowTarget, nudge: Nudge, alarm: Alarm): Way {
    const holds = containing(commits, target.commit);
    const waiting = createPatience(troubleMs, now, alarm);
    const key = `${namespace}/${config.applicationOf(target.owner)}`;
    const name = objectName(target.owner, target.functionName);
    const telling = createTelling({ nudge, setUpNudge, now, alarm });
    const looks = createLooks();

    async function tell(seen: ObservedApplication | undefined): Promise<void> {
      // Before the list has come nothing is known to be missing.
      if (applications.state().type !== 'following') return;
      if (!seen || seen.isInvalid) telling.toSetUp();
      else if (isUnsure(seen) || (await holds([seen.comparedCommit])) === undefined) telling.toLook();
    }

    /** It may be about the commit before: only a further look says. */
    function isUnsure({ failure }: ObservedApplication): boolean {
      return failure !== undefined && failure.commit === undefined && !looks.hasLookedAnew();
    }

    /** What could not be read leaves no commit: what was there before the follower came is about an older one. */
    async function isAbout({ commit }: ArgoFailure): Promise<boolean> {
      return commit === undefined ? looks.hasLooked() : (await holds([commit])) !== undefined;
    }

    function outcomeOf({ reason, message, commit, applied, refused }: ArgoFailure): Applied | undefined {
      if (commit !== undefined && applied?.has(name)) return { commit };
      const { cause, passes } = causeOf({ reason, message: refused?.get(name) ?? message }, target, engine);
      // Without a commit it may still be the one before, however long that look takes.
      const isOurs = commit !== undefined || looks.hasLookedAnew();
      const isFinal = passes === 'never' && commit !== undefined;
      const isOver = isFinal || (passes !== 'waits' && waiting.isOver());
      return isOver && isOurs ? { failed: { type: 'failed', stage: 'apply', cause } } : undefined;
    }

    async function failureOf({ failure, isRetrying }: ObservedApplication) {
      if (failure && (await isAbout(failure))) return outcomeOf(failure);
      if (!isRetrying) waiting.reset();
      return undefined;
    }

    return {
      async applied() {
        const seen = applications.table.get(key);
        if (seen) looks.see(seen.lookedAt);
        const commit = seen && (await holds([seen.syncedCommit]));
        if (commit !== undefined) return { commit };
        await tell(seen);
        return seen && failureOf(seen);
      },
      whyNot: () => whyBlind() ?? whyNotSynced(key, target),
      whyBlind,
    };
  }

  return {
    synced: applications.synced,
    nudge: () => undefined,
    follow(target, onApplied, signal, onWaiting) {
      const both = AbortSignal.any([signal, closing.signal]);
      return whileNudged(config.applicationOf(target.owner), (nudge) =>
        followCommit(target, (alarm) => wayOf(target, nudge, alarm), onApplied, both, onWaiting),
      );
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      closing.abort(new TowlineError('unavailable', 'the platform is stopping'));
      await setUpNudge[Symbol.asyncDispose]();
      await applications[Symbol.asyncDispose]();
    },
  };
}
