import { TowlineError } from '../../core/errors.ts';
import type { EventBus } from '../../core/events.ts';
import type { FollowTarget, Reconciler } from '../../core/reconciler.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Supervisor } from '../functions/index.ts';
import { type DesiredState, type Manifest, readDesiredState } from './desired-state.ts';
import { outcomeOf } from './follower.ts';
import { type GitOpsLocation, openGitOpsRepository, tenantsFolder } from './gitops-repository.ts';
import type { ManifestPath } from './read-manifest.ts';

export interface ApplyLoopConfig extends GitOpsLocation {
  /** Milliseconds between looks at the branch, for when a nudge is lost. */
  pollMs: number;
}

export interface ApplyLoopDeps {
  supervisor: Supervisor;
  logger: Logger;
  events: EventBus;
}

/** Makes what is on the GitOps repository's branch what runs, and nothing else: the local adapter of the reconciler. */
export interface ApplyLoop extends Reconciler, AsyncDisposable {
  /** Resolves after the first pass: everything on the branch is being started. */
  start(): Promise<void>;
  /** The commit that was applied last. */
  applied(): string | null;
}

export async function createApplyLoop(config: ApplyLoopConfig, deps: ApplyLoopDeps): Promise<ApplyLoop> {
  const { supervisor, logger, events } = deps;
  const { folder = tenantsFolder } = config;
  const repository = openGitOpsRepository(config);
  const closing = new AbortController();
  const changes = createChangeSignal();
  const unsubscribe = supervisor.subscribe(() => changes.notify());
  let desired: DesiredState = new Map();
  let applied: string | null = null;
  /** Counts finished passes, so that a follower can tell whether one ended while it was asking git. */
  let passes = 0;
  let trouble: string | undefined;
  let running: Promise<void> | undefined;
  let isAskedAgain = false;
  let isStarted = false;
  let timer: NodeJS.Timeout | undefined;

  async function pass(): Promise<void> {
    const head = await repository.head();
    if (head === undefined) {
      report(`the GitOps repository has no branch "${config.branch}"`);
      return;
    }
    if (head !== applied) await applyCommit(head);
    report(undefined);
  }

  async function applyCommit(head: string): Promise<void> {
    const isFirst = applied === null;
    const before = desired;
    const next = await readDesiredState(repository, head, before, folder);
    if (closing.signal.aborted) return;
    const changed = changesBetween(before, next);
    const ownerIds = changed.map((change) => ownerIdOf(change));
    for (const change of changed) hand(change);
    desired = next;
    applied = head;
    logger.info({ commit: head, manifests: next.size, changed: changed.length }, 'applied');
    // At the start nothing has changed for anybody: it is what was there before.
    if (!isFirst) {
      for (const [index, change] of changed.entries()) tell(change, head, ownerIds[index] ?? '');
      return;
    }
    const names = [...next.values()].map((manifest) => manifest.place);
    await supervisor.forgetAllBut(names).catch((error: unknown) => {
      logger.warn({ err: error }, 'what is kept of former functions could not be forgotten');
    });
  }

  function hand({ place, after }: Change): void {
    const { owner, functionName, path } = place;
    const reading = after?.reading;
    if (reading?.type === 'function') supervisor.apply(reading.desired);
    else if (reading?.type === 'refused') {
      logger.warn({ path, cause: reading.cause }, 'a manifest was refused');
      supervisor.reject({ owner, functionName }, reading.cause);
    } else {
      if (reading !== undefined) logger.info({ path, reason: reading.reason }, 'a manifest was ignored');
      supervisor.remove(owner, functionName);
    }
  }

  function ownerIdOf({ place, before, after }: Change): string {
    for (const manifest of [after, before]) {
      if (manifest?.reading.type === 'function') return manifest.reading.desired.ownerId;
    }
    return supervisor.lookup(place.owner, place.functionName)?.ownerId ?? '';
  }

  function tell({ place }: Change, commit: string, ownerId: string): void {
    const { owner, functionName } = place;
    events.publish({ type: 'history.changed', ownerId, owner, functionName, commit });
  }

  /** Once when it begins and once when it is over: the branch is looked at every few seconds. */
  function report(problem: string | undefined, error?: unknown): void {
    if (problem === trouble) return;
    if (problem === undefined) logger.info('the GitOps repository can be read again');
    else logger.warn({ err: error, problem }, 'the GitOps repository cannot be applied; what runs goes on');
    trouble = problem;
  }

  async function runPasses(): Promise<void> {
    clearTimeout(timer);
    do {
      isAskedAgain = false;
      await pass().catch((error: unknown) => report(String(error), error));
      passes++;
      changes.notify();
    } while (isAskedAgain && !closing.signal.aborted);
    running = undefined;
    if (closing.signal.aborted) return;
    timer = setTimeout(request, config.pollMs);
    timer.unref();
  }

  /** Many requests during one pass are one more pass. */
  function request(): void {
    isAskedAgain = true;
    if (isStarted && !closing.signal.aborted) running ??= runPasses();
  }

  async function untilApplied(commit: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const head = applied;
      const asked = passes;
      const isContained = head !== null && (await repository.contains(head, commit).catch(() => false));
      if (isContained) return;
      await changes.until(() => (passes === asked ? undefined : true), signal, closing.signal);
    }
  }

  return {
    async start() {
      isStarted = true;
      request();
      await running;
    },
    applied: () => applied,
    nudge: request,
    async follow(target: FollowTarget, onApplied, signal) {
      await untilApplied(target.commit, signal);
      signal.throwIfAborted();
      onApplied();
      const path = `${folder}/${target.owner}/${target.functionName}.yaml`;
      return changes.until(() => outcomeOf(target, desired.get(path), supervisor), signal, closing.signal);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      clearTimeout(timer);
      closing.abort(new TowlineError('unavailable', 'the platform is stopping'));
      await running;
    },
  };
}

interface Change {
  place: ManifestPath;
  before: Manifest | undefined;
  after: Manifest | undefined;
}

function changesBetween(before: DesiredState, next: DesiredState): Change[] {
  const changed: Change[] = [];
  for (const [path, after] of next) {
    const known = before.get(path);
    if (known !== after) changed.push({ place: after.place, before: known, after });
  }
  for (const [path, known] of before) {
    if (!next.has(path)) changed.push({ place: known.place, before: known, after: undefined });
  }
  return changed;
}
