import { TowlineError } from '../../core/errors.ts';
import type { WriteOutcome, WrittenFunction } from '../../core/manifest-writer.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { IndexedRepository } from '../index/indexed-repository.ts';
import type { PushAttempt } from '../intents/intent-log.ts';
import { type BranchView, createBranchView } from '../planning/branch-view.ts';
import { BrokenPushError, DamagedCopyError, type NewCommit } from '../repository/manifest-repository.ts';
import type { BatchTools } from './intent-queue.ts';
import type { Timing } from './pace.ts';
import type { QueuedIntent, Settled } from './queued-intent.ts';

export interface CommitterOptions {
  repository: IndexedRepository;
  /** How often in a row a batch is built anew on a head that somebody else moved. */
  maxAttempts: number;
  /** Whether only so many pushes may go. */
  paced: boolean;
  signal: AbortSignal;
  timing: Timing;
  random(): number;
  onLostRace(attempt: number): void;
  onRepair(cause: Error): void;
  /** Records commits about to be pushed for intents that their commits alone don't tell of later. */
  attempted(attempts: readonly { one: QueuedIntent; attempt: PushAttempt }[]): void;
}

interface CommitOptions extends CommitterOptions, BatchTools {
  ahead: { made: Built | undefined };
}

interface PlannedCommit {
  one: QueuedIntent;
  /** Its own is the last; what it needs is before. */
  commits: NewCommit[];
  written: WrittenFunction[];
}

interface Plan {
  commits: PlannedCommit[];
  outcomes: Settled[];
  later: QueuedIntent[];
}

/** A batch decided on a head, and its commits as the local copy has them. */
interface Built {
  head: string;
  batch: readonly QueuedIntent[];
  view: BranchView;
  plan: Plan;
  /** Of each intent's own commit. */
  ids: string[];
  tip: string;
}

/**
 * Commits one batch after the other. While one is pushed, the next is decided and built on top of it, for the case that
 * the push succeeds.
 */
export function createBatchCommitter(options: CommitterOptions) {
  const ahead: CommitOptions['ahead'] = { made: undefined };
  return (batch: readonly QueuedIntent[], tools: BatchTools): Promise<QueuedIntent[]> =>
    commitBatch(batch, { ...options, ...tools, ahead });
}

/**
 * Decides a batch on the newest head, commits it in order, publishes it in one push. Returns the intents that must wait
 * for the next batch. Throws if the rest cannot be written now; what was finished before stays finished.
 */
async function commitBatch(batch: readonly QueuedIntent[], options: CommitOptions): Promise<QueuedIntent[]> {
  let repaired = false;
  let brokeOff = false;
  let size = batch.length;
  for (let attempt = 1; attempt <= options.maxAttempts; attempt += 1) {
    try {
      const open = unfinished(batch);
      const left = await attemptOnce(open.slice(0, size), options);
      if (left) return [...left, ...open.slice(size)];
      options.onLostRace(attempt);
      // A smaller batch is ready sooner: whoever races, the first intents of the queue get through.
      if (attempt > 1) size = Math.max(1, Math.ceil(size / 2));
    } catch (error) {
      if (error instanceof BrokenPushError && !brokeOff) {
        brokeOff = true;
        continue;
      }
      if (!(error instanceof DamagedCopyError) || repaired) throw error;
      repaired = true;
      options.onRepair(error);
      await options.repository.repair();
      continue;
    }
    const wait = backoffMs(attempt, { firstMs: 4, maxMs: 500, random: options.random });
    await options.timing.delay(wait, options.signal);
    await options.turn();
    await options.repository.refresh();
  }
  throw new TowlineError(
    'write_conflict',
    `the GitOps repository was changed by others ${options.maxAttempts} times in a row`,
  );
}

function unfinished(batch: readonly QueuedIntent[]): QueuedIntent[] {
  return batch.filter((one) => one.outcome === undefined);
}

/** The intents left for the next batch, or `undefined` after a lost race. */
async function attemptOnce(
  batch: readonly QueuedIntent[],
  options: CommitOptions,
): Promise<QueuedIntent[] | undefined> {
  const { repository } = options;
  await options.turn();
  const head = await headFor(batch, options);
  const open = await finishArrived(batch, head, options);
  if (open.length === 0) return [];
  const built =
    takeAhead(open, head, options) ?? (await build(open, createBranchView(repository, head), head, options));
  if (built.plan.commits.length > 0) return await publish(built, options);
  // Nothing is pushed that would prove the head to be the newest, so the remote is asked.
  if ((await repository.refresh()) !== head) return undefined;
  options.finish(built.plan.outcomes);
  return built.plan.later;
}

async function build(
  batch: readonly QueuedIntent[],
  view: BranchView,
  head: string,
  { repository }: CommitOptions,
): Promise<Built> {
  const plan = await planBatch(batch, view);
  const commits = plan.commits.flatMap((planned) => planned.commits);
  const all = commits.length === 0 ? [] : await repository.append(head, commits);
  let made = 0;
  const ids = plan.commits.map((planned) => {
    made += planned.commits.length;
    return all[made - 1] ?? head;
  });
  return { head, batch, view, plan, ids, tip: all.at(-1) ?? head };
}

async function publish(built: Built, options: CommitOptions): Promise<QueuedIntent[] | undefined> {
  const { head, plan, ids, tip } = built;
  const made = plan.commits.map((planned, index) => ({ ...planned, id: ids[index] ?? head }));
  options.attempted(made.map(({ one, id, written }) => ({ one, attempt: { commit: id, tip, written } })));
  const pushing = options.repository.push(tip, head);
  const [pushed] = await Promise.allSettled([pushing, buildAhead(built, tip, options)]);
  // A lost race is a push too for whoever counts them.
  options.onPush();
  if (pushed.status === 'rejected') throw pushed.reason;
  const result = pushed.value;
  if (result.type !== 'pushed') for (const { one } of made) one.attempts = one.attempts.slice(0, -1);
  if (result.type === 'lost-race') {
    for (const { one, id, written } of made) one.answered = [{ commit: id, tip, written }];
    return undefined;
  }
  if (result.type === 'refused') return await refuse(plan, built.batch, result.message, options);
  const settled = made.map(({ one, id, written }) => {
    return { one, outcome: { type: 'pushed', commit: id, written } satisfies WriteOutcome };
  });
  options.finish([...settled, ...plan.outcomes]);
  return plan.later;
}

/** Failures don't matter here: the batch is then decided in its turn. */
async function buildAhead({ view, plan }: Built, tip: string, options: CommitOptions): Promise<void> {
  options.ahead.made = undefined;
  if (plan.later.length > 0) return;
  const batch = options.upcoming();
  if (batch.length === 0) return;
  const built = await build(batch, view, tip, options);
  if (built.plan.later.length === 0) options.ahead.made = built;
}

/** What was built ahead, if it is this batch and the branch is where it was expected. */
function takeAhead(
  batch: readonly QueuedIntent[],
  head: string,
  { ahead }: CommitOptions,
): Built | undefined {
  const { made } = ahead;
  ahead.made = undefined;
  const fits = made?.head === head && made.batch.length === batch.length;
  return fits && made.batch.every((one, index) => one === batch[index]) ? made : undefined;
}

/** After a push that broke off only the remote knows its head; where pushes are few, none is spent on an old one. */
async function headFor(
  batch: readonly QueuedIntent[],
  { repository, paced }: CommitOptions,
): Promise<string> {
  if (paced || batch.some((one) => one.attempts.length > 0)) return await repository.refresh();
  try {
    return repository.head();
  } catch {
    return await repository.refresh();
  }
}

/** Intents whose commit is on the branch although the answer to its push never came. */
async function finishArrived(
  batch: readonly QueuedIntent[],
  head: string,
  options: CommitOptions,
): Promise<QueuedIntent[]> {
  const arrived = new Map<string, boolean>();
  const settled: Settled[] = [];
  for (const one of batch) {
    const { attempts, answered } = one;
    one.answered = [];
    for (const { tip, commit, written } of [...attempts, ...answered]) {
      const known = arrived.get(tip) ?? (await options.repository.contains(head, tip));
      arrived.set(tip, known);
      if (known) settled.push({ one, outcome: { type: 'pushed', commit, written } });
    }
  }
  if (settled.length > 0) options.finish(settled);
  return unfinished(batch);
}

/** The remote refuses a push as a whole: one bad commit must not take the others with it. */
async function refuse(
  plan: Plan,
  batch: readonly QueuedIntent[],
  words: string,
  options: CommitOptions,
): Promise<QueuedIntent[]> {
  const [only] = plan.commits;
  if (plan.commits.length === 1 && only) {
    const message = `the GitOps repository refused the commit: ${words}${whatElse(only)}`;
    options.finish([{ one: only.one, outcome: { type: 'refused', code: 'manifest_refused', message } }]);
    return unfinished(batch);
  }
  // Half of its commits each, in order; intents that need no commit go with the first.
  const middle = batch.indexOf(plan.commits[Math.ceil(plan.commits.length / 2)]?.one as QueuedIntent);
  const left = await commitBatch(batch.slice(0, middle), options);
  const rest = batch.slice(middle);
  // What is left over may be about the same functions and comes before the rest.
  if (left.length > 0) return [...left, ...rest];
  return await commitBatch(rest, options);
}

/** A rule of the repository may be about a file that the developer knows nothing of. */
function whatElse({ commits }: PlannedCommit): string {
  const paths = commits.slice(0, -1).flatMap(({ changes }) => changes.map(({ path }) => path));
  return paths.length === 0 ? '' : ` (with it comes the tenant's set-up: ${paths.join(', ')})`;
}

async function planBatch(batch: readonly QueuedIntent[], view: BranchView): Promise<Plan> {
  const plan: Plan = { commits: [], outcomes: [], later: [] };
  // All at once, so that the decisions below, one by one, find what they need at hand.
  const paths = new Set(batch.flatMap((one) => one.planned().paths));
  await Promise.all([...paths].map((path) => view.text(path)));
  for (const [index, one] of batch.entries()) {
    const decision = await one.planned().decide(view);
    if (decision.type === 'later') {
      // Everything behind it waits too, so that intents keep their order.
      plan.later = batch.slice(index);
      return plan;
    }
    if (decision.type === 'outcome') plan.outcomes.push({ one, outcome: decision.outcome });
    else {
      const { first, commit, written } = decision;
      const commits = first ? [first, commit] : [commit];
      plan.commits.push({ one, commits, written });
      for (const { changes } of commits) view.apply(changes);
    }
  }
  return plan;
}
