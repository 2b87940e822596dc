import { TowlineError } from '../../core/errors.ts';
import type { WriteDelay, WriteOptions, WriteOutcome } from '../../core/manifest-writer.ts';

export interface Submission {
  /** Resolves once the intent is on disk: from then on it ends in its outcome, whatever happens to this process. */
  accepted: Promise<void>;
  outcome: Promise<WriteOutcome>;
}

/** Somebody who asked for an intent. */
export interface Caller {
  accepted(): void;
  resolve(outcome: WriteOutcome): void;
  reject(error: unknown): void;
  onWaiting: WriteOptions['onWaiting'];
  signal: AbortSignal | undefined;
  /** Its intent is not withdrawn when it gives up. */
  stays: boolean;
  /** The delay it was told of. */
  told: WriteDelay | undefined;
}

export function newCaller(
  signal: AbortSignal | undefined,
  { onWaiting, stays = false }: WriteOptions,
): { caller: Caller; submission: Submission } {
  const accepted = Promise.withResolvers<void>();
  const outcome = Promise.withResolvers<WriteOutcome>();
  // Whoever asked may look at one of the two only; the other must not end the process.
  accepted.promise.catch(() => {});
  outcome.promise.catch(() => {});
  const caller: Caller = {
    accepted: accepted.resolve,
    resolve: outcome.resolve,
    reject(error) {
      accepted.reject(error);
      outcome.reject(error);
    },
    onWaiting,
    stays,
    signal,
    told: undefined,
  };
  return { caller, submission: { accepted: accepted.promise, outcome: outcome.promise } };
}

/** Who wants to hear about which intent. */
export function createCallers() {
  const byIntent = new Map<string, Caller[]>();

  function set(id: string, callers: Caller[]): void {
    if (callers.length === 0) byIntent.delete(id);
    else byIntent.set(id, callers);
  }

  return {
    add(id: string, caller: Caller): void {
      set(id, [...(byIntent.get(id) ?? []), caller]);
    },
    /** Gives how many are left. */
    remove(id: string, caller: Caller): number {
      const left = (byIntent.get(id) ?? []).filter((one) => one !== caller);
      set(id, left);
      return left.length;
    },
    resolve(id: string, outcome: WriteOutcome): void {
      for (const one of byIntent.get(id) ?? []) {
        tellDelay(one, undefined);
        one.resolve(outcome);
      }
      byIntent.delete(id);
    },
    /** Those who cannot wait are told by an error, and hear no more; the intent itself is kept. */
    delayed(delay: WriteDelay): void {
      const error = new TowlineError(delay.code, delay.message, {
        hint: 'it is kept and will be written then',
      });
      for (const [id, callers] of byIntent) {
        for (const one of callers) {
          if (one.onWaiting) tellDelay(one, delay);
          else one.reject(error);
        }
        set(
          id,
          callers.filter((one) => one.onWaiting),
        );
      }
    },
    goesOn(): void {
      for (const one of [...byIntent.values()].flat()) tellDelay(one, undefined);
    },
    rejectAll(error: unknown): void {
      for (const one of [...byIntent.values()].flat()) one.reject(error);
      byIntent.clear();
    },
  };
}

/** Every change once. */
export function tellDelay(caller: Caller, delay: WriteDelay | undefined): void {
  if (caller.told?.message === delay?.message) return;
  caller.told = delay;
  caller.onWaiting?.(delay);
}
