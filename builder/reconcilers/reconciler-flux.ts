import { randomUUID } from 'node:crypto';
import type { FunctionCatalog } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import type { FollowTarget, GitOpsCommits, Reconciler } from '../../core/reconciler.ts';
import type { RoutersView } from '../../core/routers.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import type { ClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createReflector, type ReflectorState } from '../../runtime/kubernetes/reflector.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Alarm } from './alarm.ts';
import { causeOf } from './apply-failure.ts';
import { containing } from './commit-contained.ts';
import { createDriftRepair } from './drift-repair.ts';
import { commitOf, kustomizationOf, type ObservedKustomization, sourceOf } from './flux-objects.ts';
import { whyNotApplied } from './flux-waits.ts';
import { type Applied, createFollowing, type Way } from './follow-commit.ts';
import { createPatience } from './patience.ts';
import { createRepositoryNudge, requestedAt } from './repository-nudge.ts';

export interface FluxReconcilerConfig {
  /** Where Flux's objects are. */
  namespace: string;
  /** The GitRepository that is told to look at the branch after a push; none if the platform hands over the artifacts. */
  repository?: string | undefined;
  /** The GitRepository that brings the set-up of new tenants: it is told to look when a followed one has none yet. */
  setUpRepository?: string | undefined;
  /** Of the functions; the default one if it isn't given. */
  environment?: string | undefined;
  /** The Kustomization that applies a tenant's folder. */
  kustomizationOf(owner: string): string;
  /** Milliseconds that a trouble which may pass has to last before it is told as a failure. Default: 15,000. */
  troubleMs?: number | undefined;
  /** Of the watches; see the reflector. */
  retry?: { firstMs: number; maxMs: number } | undefined;
}

export interface FluxReconcilerDeps {
  api: ClusterApi;
  /** Of the same environment. */
  catalog: FunctionCatalog;
  commits: GitOpsCommits;
  /** What "live" is decided on; without it the catalog alone. */
  routers?: RoutersView | undefined;
  logger: Logger;
  now?: (() => number) | undefined;
}

/** Follows what Flux does with the pushed commits of one environment. */
export interface FluxReconciler extends Reconciler, AsyncDisposable {
  synced: Promise<void>;
}

export function createFluxReconciler(
  config: FluxReconcilerConfig,
  { api, catalog, commits, routers, logger, now = Date.now }: FluxReconcilerDeps,
): FluxReconciler {
  const { namespace, repository, setUpRepository, troubleMs = 15_000 } = config;
  const changes = createChangeSignal();
  const closing = new AbortController();
  const notify = () => changes.notify();
  const sources = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}`;

  const onState = (path: string) => (state: ReflectorState) => {
    notify();
    if (state.type === 'stale') logger.warn({ path, cause: state.cause }, 'Flux cannot be followed');
  };
  const common = { api, onChange: notify, retry: config.retry };
  const kustomizationsPath = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const kustomizations = createReflector({
    ...{ ...common, path: kustomizationsPath, project: kustomizationOf },
    onState: onState(kustomizationsPath),
  });
  const artifactsPath = `${sources}/externalartifacts`;
  const artifacts = createReflector({
    ...{ ...common, path: artifactsPath, project: sourceOf },
    onState: onState(artifactsPath),
  });
  const repositoriesPath = `${sources}/gitrepositories`;
  const repositories =
    repository === undefined
      ? undefined
      : createReflector({
          ...{ ...common, path: repositoriesPath, project: sourceOf },
          onState: onState(repositoriesPath),
        });
  const reflectors = [kustomizations, artifacts, ...(repositories ? [repositories] : [])];
  const unsubscribe = catalog.subscribe(notify);
  const followCommit = createFollowing({ changes, catalog, commits, routers, troubleMs, now });

  const nudgeOf = (name: string | undefined) => createRepositoryNudge({ api, namespace, name, logger });
  const nudge = nudgeOf(repository);
  const setUpNudge = nudgeOf(setUpRepository);

  /** The repository's commits that a revision stands for; an artifact says what it was made from. */
  function commitsOf(key: string, revision: string | undefined, origin?: string): string[] {
    const artifact = artifacts.table.get(key);
    const made = artifact !== undefined && artifact.revision === revision ? artifact.origin : undefined;
    const all = [commitOf(made), commitOf(origin), artifact ? undefined : commitOf(revision)];
    return [...new Set(all.filter((commit) => commit !== undefined))];
  }

  const keyOf = (owner: string) => `${namespace}/${config.kustomizationOf(owner)}`;
  const repair = createDriftRepair({
    ...{ catalog, logger },
    async isWanted(owner, functionName) {
      const seen = kustomizations.table.get(keyOf(owner));
      // Who suspends it wants to have it so.
      if (!seen || seen.isSuspended) return false;
      const place = { owner, functionName, environment: config.environment };
      for (const commit of commitsOf(keyOf(owner), seen.appliedRevision, seen.appliedOrigin))
        if (await commits.wantedDigest(commit, place)) return true;
      return false;
    },
    async ask(owner, signal) {
      if (kustomizations.table.get(keyOf(owner))?.isSuspended !== false) return;
      const body = { metadata: { annotations: { [requestedAt]: randomUUID() } } };
      const path = `${kustomizationsPath}/${config.kustomizationOf(owner)}`;
      await api.request(path, { method: 'PATCH', patch: 'merge', body, signal, timeoutMs: 10_000 });
    },
  });

  /** A commit that Flux has applied and that contains the target's, or why there will be none. */
  function wayOf(target: FollowTarget, alarm: Alarm): Way {
    const holds = containing(commits, target.commit);
    const waiting = createPatience(troubleMs, now, alarm);
    const key = keyOf(target.owner);
    let isAsked = false;

    function askForSetUp(): undefined {
      // Before the list has come nothing is known to be missing.
      if (isAsked || kustomizations.state().type !== 'following') return;
      isAsked = true;
      setUpNudge();
    }

    async function failureOf(seen: ObservedKustomization): Promise<Applied | undefined> {
      if (!seen.failure) waiting.reset();
      if (!seen.failure || !(await holds(commitsOf(key, seen.attemptedRevision)))) return undefined;
      const { cause, passes } = causeOf(seen.failure, target);
      const isOver = passes === 'never' || (passes === 'perhaps' && waiting.isOver());
      return isOver ? { failed: { type: 'failed', stage: 'apply', cause } } : undefined;
    }

    return {
      async applied() {
        const seen = kustomizations.table.get(key);
        if (!seen) return askForSetUp();
        const commit = await holds(commitsOf(key, seen.appliedRevision, seen.appliedOrigin));
        return commit === undefined ? failureOf(seen) : { commit };
      },
      whyNot: () => whyNotApplied(viewOf(key), target),
      whyBlind() {
        const state = kustomizations.state();
        return state.type === 'stale' ? `the cluster cannot be seen: ${state.cause}` : undefined;
      },
    };
  }

  function viewOf(kustomizationKey: string) {
    const repositoryKey = `${namespace}/${repository}`;
    return {
      state: kustomizations.state(),
      kustomizationKey,
      kustomization: kustomizations.table.get(kustomizationKey),
      artifact: artifacts.table.get(kustomizationKey),
      repository: repositories && { key: repositoryKey, source: repositories.table.get(repositoryKey) },
    };
  }

  return {
    synced: Promise.all(reflectors.map((one) => one.synced)).then(() => undefined),
    nudge,
    follow(target, onApplied, signal, onWaiting) {
      const both = AbortSignal.any([signal, closing.signal]);
      return followCommit(target, (alarm) => wayOf(target, alarm), onApplied, both, onWaiting);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await repair[Symbol.asyncDispose]();
      closing.abort(new TowlineError('unavailable', 'the platform is stopping'));
      await nudge[Symbol.asyncDispose]();
      await setUpNudge[Symbol.asyncDispose]();
      await Promise.all(reflectors.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
