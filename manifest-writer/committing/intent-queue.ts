import { TowlineError } from '../../core/errors.ts';
import type { WriteDelay, WriteOptions, WriteOutcome } from '../../core/manifest-writer.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { Acceptance, IntentLog, KeptIntent, NewIntent } from '../intents/intent-log.ts';
import type { PlannedIntent } from '../planning/decision.ts';
import { type Caller, createCallers, newCaller, type Submission, tellDelay } from './callers.ts';
import { asDelay, asFault, type Fault, stoppingError } from './faults.ts';
import { createLinger, createPace, type Timing } from './pace.ts';
import type { QueuedIntent, Settled } from './queued-intent.ts';

/** What committing a batch needs of the queue. */
export interface BatchTools {
  /** Resolves when a push may go. */
  turn(): Promise<void>;
  /** After each push that was tried, whatever came of it. */
  onPush(): void;
  /** Records outcomes, then tells them. */
  finish(settled: readonly Settled[]): void;
  /** The next batch as it is now, if it is worth beginning before this one is pushed; it stays as it is then. */
  upcoming(): readonly QueuedIntent[];
}

export interface IntentQueueOptions {
  log: IntentLog;
  /** Makes an accepted intent ready. It may throw. */
  plan(intent: NewIntent): PlannedIntent;
  /** Finishes what it can, returns what must wait for the next batch, throws if the rest cannot be written now. */
  commit(batch: readonly QueuedIntent[], tools: BatchTools): Promise<QueuedIntent[]>;
  maxQueued: number;
  maxBatch: number;
  pushesPerMinute: number | undefined;
  /** Milliseconds between tries while nothing can be written. */
  retry: { firstMs: number; maxMs: number };
  timing: Timing;
  random(): number;
  onDelay(delay: WriteDelay, cause: unknown): void;
  onIdle(): void;
  /** Before outcomes are recorded: told again after a death in between. Must not throw. */
  onFinishing?: ((settled: readonly Settled[]) => void) | undefined;
}

export interface QueueState {
  /** Accepted and without an outcome. */
  open: number;
  /** Why nothing can be written now. */
  waiting: WriteDelay | undefined;
  /** Some of them, the oldest first. */
  oldest: { id: string; kind: string; acceptedAt: number }[];
}

export interface IntentQueue extends AsyncDisposable {
  submit(intent: NewIntent, signal?: AbortSignal, options?: WriteOptions): Submission;
  state(): QueueState;
}

/** An intent on its own that meets a fault which waiting does not mend is given up after so many tries. */
const maxFaults = 3;
/** A smaller batch gains more by waiting for company than by being built early. */
const minUpcoming = 100;
const smallBatch = 8;
const shownIntents = 100;
/** A new intent may end a wait early, but never makes tries more frequent than this. */
const minRetryGapMs = 1_000;

/**
 * Intents in the order of their acceptance, one batch at a time: a single one goes at once, and what comes while a batch
 * is on its way makes up the next one. Begins with what an earlier process accepted and did not finish.
 */
export function createIntentQueue(options: IntentQueueOptions): IntentQueue {
  const { log, timing } = options;
  const pace = createPace(options.pushesPerMinute, timing);
  const linger = createLinger(timing);
  const callers = createCallers();
  const ending = new AbortController();
  const open = new Map<string, QueuedIntent>();
  const faults = new Map<string, number>();
  let queued: QueuedIntent[] = [];
  let incoming: { intent: NewIntent; caller: Caller }[] = [];
  let working: Promise<void> | undefined;
  let waiting: WriteDelay | undefined;
  let tries = 0;
  let lastTryAt = Number.NEGATIVE_INFINITY;
  let wake: () => void = () => {};
  /** How many intents of the queue are the next batch already. */
  let taken = 0;
  const tools: BatchTools = {
    turn: () => pace.turn(ending.signal),
    onPush: () => pace.pushed(),
    finish,
    upcoming,
  };

  for (const kept of log.pending()) enqueue(kept);
  work();

  function enqueue(kept: KeptIntent): QueuedIntent {
    let planned: PlannedIntent | undefined;
    const { attempts } = kept;
    const one: QueuedIntent = {
      kept,
      planned() {
        planned ??= planOrRefuse(kept);
        return planned;
      },
      attempts,
      answered: [],
      begun: attempts.length > 0,
      outcome: undefined,
    };
    open.set(kept.id, one);
    queued.push(one);
    return one;
  }

  function planOrRefuse(intent: NewIntent): PlannedIntent {
    try {
      return options.plan(intent);
    } catch (error) {
      const outcome: WriteOutcome = { type: 'refused', ...asFault(error) };
      return { paths: [], decide: async () => ({ type: 'outcome', outcome }) };
    }
  }

  /** All intents of one turn of the event loop share one transaction, and so one sync of the disk. */
  function acceptIncoming(): void {
    const coming = incoming;
    incoming = [];
    if (ending.signal.aborted) {
      for (const { caller } of coming) caller.reject(stoppingError());
      return;
    }
    accept(coming);
    work();
  }

  function accept(coming: typeof incoming): void {
    let acceptances: Acceptance[];
    try {
      const intents = coming.map(({ intent }) => intent);
      acceptances = log.accept(intents, timing.now());
    } catch (error) {
      if (coming.length === 1) coming[0]?.caller.reject(error);
      // One of them may be at fault.
      else for (const one of coming) accept([one]);
      return;
    }
    for (const [index, { intent, caller }] of coming.entries()) admit(intent.id, caller, acceptances[index]);
  }

  function admit(id: string, caller: Caller, acceptance: Acceptance | undefined): void {
    caller.accepted();
    if (acceptance?.type === 'finished') {
      caller.resolve(acceptance.outcome);
      return;
    }
    // Planned now, while a push may be on its way, and not when its batch is waited for.
    if (acceptance && !open.has(id)) enqueue(acceptance.intent).planned();
    callers.add(id, caller);
    caller.signal?.addEventListener('abort', () => giveUp(id, caller), { once: true });
    if (caller.signal?.aborted) giveUp(id, caller);
    else if (waiting) {
      if (caller.onWaiting) tellDelay(caller, waiting);
      wake();
    }
  }

  /** An intent that nobody waits for any more is withdrawn, unless it has begun. */
  function giveUp(id: string, caller: Caller): void {
    const one = open.get(id);
    if (!one || (one.begun && !waiting && !caller.stays)) return;
    let reason: unknown = caller.signal?.reason;
    if (callers.remove(id, caller) === 0 && !one.begun && !caller.stays) {
      try {
        log.withdraw(id);
        open.delete(id);
        faults.delete(id);
        queued = queued.filter((other) => other !== one);
      } catch (error) {
        reason = error;
      }
    }
    caller.reject(reason);
  }

  function work(): void {
    if (ending.signal.aborted || working || queued.length === 0) return;
    working = run().finally(() => {
      working = undefined;
      if (queued.length > 0) work();
      else if (!ending.signal.aborted) options.onIdle();
    });
  }

  async function run(): Promise<void> {
    try {
      while (queued.length > 0 && !ending.signal.aborted) await oneBatch();
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    }
  }

  async function oneBatch(): Promise<void> {
    await pace.turn(ending.signal);
    if (taken === 0) await linger.gather(() => queued.length, options.maxBatch, ending.signal);
    const batch = queued.splice(0, taken || nextSize());
    taken = 0;
    for (const one of batch) one.begun = true;
    const left = await attempt(batch);
    linger.batchWas(batch.length);
    queued = [...left, ...queued];
    if (left.length > 0) {
      taken = 0;
      for (const one of queued) one.begun = one.attempts.length > 0;
    }
    if (waiting && queued.length > 0) await waitForNextTry();
  }

  /**
   * After a fault one by one, so that only the intent at fault is given up. While tries fail fewer and fewer: what a
   * remote cannot take at once or in time, it may take in parts.
   */
  function nextSize(): number {
    if (faults.size > 0) return 1;
    return Math.max(Math.min(smallBatch, options.maxBatch), options.maxBatch >> Math.min(tries, 16));
  }

  function upcoming(): readonly QueuedIntent[] {
    if (queued.length < minUpcoming || options.pushesPerMinute !== undefined || faults.size > 0) return [];
    const next = queued.slice(0, options.maxBatch);
    for (const one of next) one.begun = true;
    taken = next.length;
    return next;
  }

  /** What is left of the batch, in order. */
  async function attempt(batch: readonly QueuedIntent[]): Promise<QueuedIntent[]> {
    lastTryAt = timing.now();
    try {
      const left = await options.commit(batch, tools);
      tries = 0;
      if (waiting) callers.goesOn();
      waiting = undefined;
      return left;
    } catch (error) {
      if (ending.signal.aborted) throw error;
      const delay = asDelay(error);
      if (!delay) countFaults(batch, asFault(error));
      putOff(delay ?? asFault(error), error);
      return unsettled(batch);
    }
  }

  function putOff(fault: Fault, cause: unknown): void {
    waiting = { ...fault, since: waiting?.since ?? timing.now() };
    callers.delayed(waiting);
    options.onDelay(waiting, cause);
  }

  function countFaults(batch: readonly QueuedIntent[], fault: Fault): void {
    for (const one of unsettled(batch)) {
      const count = (faults.get(one.kept.id) ?? 0) + 1;
      faults.set(one.kept.id, count);
      if (batch.length === 1 && count > maxFaults) finish([{ one, outcome: { type: 'refused', ...fault } }]);
    }
  }

  async function waitForNextTry(): Promise<void> {
    tries += 1;
    const ms = backoffMs(tries, { ...options.retry, random: options.random });
    const early = new AbortController();
    wake = () => early.abort();
    await timing.delay(ms, AbortSignal.any([ending.signal, early.signal])).catch(() => {});
    wake = () => {};
    const tooSoon = Math.min(ms, minRetryGapMs) - (timing.now() - lastTryAt);
    if (early.signal.aborted && tooSoon > 0) await timing.delay(tooSoon, ending.signal);
  }

  /** First to the disk, then to whoever waits. */
  function finish(settled: readonly Settled[]): void {
    options.onFinishing?.(settled);
    log.finish(settled.map(({ one, outcome }) => ({ id: one.kept.id, outcome })));
    for (const { one, outcome } of settled) {
      one.outcome ??= outcome;
      open.delete(one.kept.id);
      faults.delete(one.kept.id);
      callers.resolve(one.kept.id, one.outcome);
    }
  }

  function whyNot(signal: AbortSignal | undefined): unknown {
    if (ending.signal.aborted) return stoppingError();
    if (signal?.aborted) return signal.reason;
    if (open.size + incoming.length < options.maxQueued) return undefined;
    return new TowlineError('unavailable', 'too many deploys wait for the GitOps repository');
  }

  return {
    submit(intent, signal, options = {}) {
      const { caller, submission } = newCaller(signal, options);
      const refusal = whyNot(signal);
      if (refusal) caller.reject(refusal);
      else if (incoming.push({ intent, caller }) === 1) setImmediate(acceptIncoming);
      return submission;
    },
    state() {
      const oldest = [...open.values()].slice(0, shownIntents);
      return {
        open: open.size,
        waiting,
        oldest: oldest.map(({ kept: { id, kind, acceptedAt } }) => ({ id, kind, acceptedAt })),
      };
    },
    async [Symbol.asyncDispose]() {
      ending.abort(stoppingError());
      await working;
      for (const { caller } of incoming.splice(0)) caller.reject(stoppingError());
      callers.rejectAll(stoppingError());
    },
  };
}

function unsettled(batch: readonly QueuedIntent[]): QueuedIntent[] {
  return batch.filter((one) => one.outcome === undefined);
}
