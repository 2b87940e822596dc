import { TowlineError } from '../../core/errors.ts';
import type { WriteOutcome, WrittenFunction } from '../../core/manifest-writer.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import { createBranchView } from '../planning/branch-view.ts';
import {
  DamagedCopyError,
  type ManifestRepository,
  type NewCommit,
} from '../repository/manifest-repository.ts';
import type { QueuedIntent } from './intent-queue.ts';

export interface CommitOptions {
  repository: ManifestRepository;
  /** How often a batch is built anew on a head that somebody else moved. */
  maxAttempts: number;
  signal: AbortSignal;
  onLostRace(attempt: number): void;
  onRepair(cause: Error): void;
}

interface Plan {
  commits: { commit: NewCommit; written: WrittenFunction[]; one: QueuedIntent }[];
  outcomes: { outcome: WriteOutcome; one: QueuedIntent }[];
  later: QueuedIntent[];
}

/** Decides a batch on the newest head, commits it in order, publishes it in one push. Never throws. */
export async function commitBatch(
  batch: readonly QueuedIntent[],
  options: CommitOptions,
): Promise<QueuedIntent[]> {
  try {
    return await attemptUntilDone(batch, options);
  } catch (error) {
    for (const one of batch) one.fail(error);
    return [];
  }
}

async function attemptUntilDone(
  batch: readonly QueuedIntent[],
  options: CommitOptions,
): Promise<QueuedIntent[]> {
  let repaired = false;
  for (let attempt = 1; attempt <= options.maxAttempts; attempt += 1) {
    try {
      const left = await attemptOnce(batch, options);
      if (left) return left;
      options.onLostRace(attempt);
    } catch (error) {
      if (!(error instanceof DamagedCopyError) || repaired) throw error;
      repaired = true;
      options.onRepair(error);
      await options.repository.repair();
      continue;
    }
    await delay(backoffMs(attempt, { firstMs: 4, maxMs: 500 }), options.signal);
    await options.repository.refresh();
  }
  throw new TowlineError(
    'write_conflict',
    `the GitOps repository was changed by others ${options.maxAttempts} times in a row`,
    { hint: 'try again' },
  );
}

/** The intents left for the next batch, or `undefined` after a lost race. */
async function attemptOnce(
  batch: readonly QueuedIntent[],
  options: CommitOptions,
): Promise<QueuedIntent[] | undefined> {
  const { repository } = options;
  const head = await knownHead(repository);
  const plan = await planBatch(batch, repository, head);
  if (plan.commits.length === 0) {
    // Nothing is pushed that would prove the head to be the newest, so the remote is asked.
    if ((await repository.refresh()) !== head) return undefined;
    settleOutcomes(plan);
    return plan.later;
  }
  const ids = await repository.append(
    head,
    plan.commits.map(({ commit }) => commit),
  );
  const result = await repository.push(ids.at(-1) ?? head, head);
  if (result.type === 'lost-race') return undefined;
  if (result.type === 'refused') return await refuse(plan, batch, result.message, options);
  for (const [index, { one, written }] of plan.commits.entries()) {
    one.settle({ type: 'pushed', commit: ids[index] ?? head, written });
  }
  settleOutcomes(plan);
  return plan.later;
}

async function knownHead(repository: ManifestRepository): Promise<string> {
  try {
    return repository.head();
  } catch {
    return await repository.refresh();
  }
}

/** The remote refuses a push as a whole: one bad commit must not take the others with it. */
async function refuse(
  plan: Plan,
  batch: readonly QueuedIntent[],
  message: string,
  options: CommitOptions,
): Promise<QueuedIntent[]> {
  const [only] = plan.commits;
  if (plan.commits.length === 1 && only) {
    only.one.settle({
      type: 'refused',
      code: 'manifest_refused',
      message: `the GitOps repository refused the commit: ${message}`,
    });
    return batch.filter((one) => one !== only.one);
  }
  const left: QueuedIntent[] = [];
  for (const one of batch) left.push(...(await commitBatch([one], options)));
  return left;
}

function settleOutcomes(plan: Plan): void {
  for (const { one, outcome } of plan.outcomes) one.settle(outcome);
}

async function planBatch(
  batch: readonly QueuedIntent[],
  repository: ManifestRepository,
  head: string,
): Promise<Plan> {
  const paths = new Set(batch.flatMap((one) => one.intent.paths));
  const view = createBranchView(repository, head, [...paths]);
  const plan: Plan = { commits: [], outcomes: [], later: [] };
  for (const [index, one] of batch.entries()) {
    const decision = await one.intent.decide(view);
    if (decision.type === 'later') {
      // Everything behind it waits too, so that intents keep their order.
      plan.later = batch.slice(index);
      return plan;
    }
    if (decision.type === 'outcome') plan.outcomes.push({ one, outcome: decision.outcome });
    else {
      plan.commits.push({ one, commit: decision.commit, written: decision.written });
      view.apply(decision.commit.changes);
    }
  }
  return plan;
}
