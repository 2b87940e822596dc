import type { WriteOutcome, WrittenFunction } from '../../core/manifest-writer.ts';

/** What somebody asked for, as it is kept: plain data that a later process can take up. */
export interface NewIntent {
  /** The same id is the same wish, however often and by whichever process it is asked. */
  id: string;
  kind: string;
  /** JSON. */
  body: unknown;
}

/** A commit that was built for an intent and whose push may have arrived. */
export interface PushAttempt {
  commit: string;
  /** The newest commit of the same push: all of them arrived, or none. */
  tip: string;
  written: WrittenFunction[];
}

export interface KeptIntent extends NewIntent {
  /** Grows with each accepted intent; the order in which they are decided. */
  seq: number;
  /** Milliseconds since the epoch. */
  acceptedAt: number;
  attempts: PushAttempt[];
}

export type Acceptance =
  | { type: 'accepted'; intent: KeptIntent }
  /** Accepted before and not finished. */
  | { type: 'pending'; intent: KeptIntent }
  /** Finished before, and this is how. */
  | { type: 'finished'; outcome: WriteOutcome };

/**
 * Intents from their acceptance to their outcome. What a method was given is on disk when it returns; a process
 * that starts on the same log finds every intent that was accepted and not finished, in order.
 */
export interface IntentLog extends Disposable {
  /** All or, on a fault, none. */
  accept(intents: readonly NewIntent[], now: number): Acceptance[];
  /** Not finished, oldest first. */
  pending(): KeptIntent[];
  /** Kept before a push that nothing in the commits themselves would tell of later. */
  attempted(attempts: readonly (PushAttempt & { id: string })[]): void;
  /** The first outcome of an intent stays; the oldest finished ones are forgotten beyond a bound. */
  finish(outcomes: readonly { id: string; outcome: WriteOutcome }[]): void;
  /** Forgets an intent that was taken back before anything was done about it. */
  withdraw(id: string): void;
}
