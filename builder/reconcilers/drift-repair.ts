import type { FunctionCatalog } from '../../core/catalog.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';

export interface DriftRepairOptions {
  catalog: FunctionCatalog;
  /** Whether what was applied last asks for a function that the cluster has no more. */
  isWanted(owner: string, functionName: string): Promise<boolean>;
  /** Has the engine apply what is the owner's again. */
  ask(owner: string, signal: AbortSignal): Promise<unknown>;
  logger: Logger;
  /** Milliseconds for the engine to say what it has just done itself. Default: 1,000. */
  settleMs?: number | undefined;
  /** Between two questions about the same owner: two who undo each other must not keep the engine busy. */
  retry?: { firstMs: number; maxMs: number } | undefined;
}

interface Trouble {
  /** Functions that were there. */
  gone: Set<string>;
  asked: number;
  timer: NodeJS.Timeout | undefined;
}

const defaultRetry = { firstMs: 10_000, maxMs: 300_000 };

/** Has put right what somebody changed or deleted in the cluster, long before the engine would look by itself. */
export function createDriftRepair(options: DriftRepairOptions): AsyncDisposable {
  const { catalog, logger, settleMs = 1_000, retry = defaultRetry } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** By owner; only those of whom something is amiss. */
  const troubles = new Map<string, Trouble>();
  const working = new Set<Promise<void>>();

  function lookIn(ms: number, owner: string, trouble: Trouble): void {
    if (signal.aborted) return;
    trouble.timer ??= setTimeout(() => {
      trouble.timer = undefined;
      const work = look(owner, trouble).finally(() => working.delete(work));
      working.add(work);
    }, ms).unref();
  }

  function troubleOf(owner: string): Trouble {
    const known = troubles.get(owner);
    if (known) return known;
    const made: Trouble = { gone: new Set(), asked: 0, timer: undefined };
    troubles.set(owner, made);
    return made;
  }

  async function lacksAny(owner: string, { gone }: Trouble): Promise<boolean> {
    let lacks = false;
    for (const name of [...gone]) {
      const isMissing = !catalog.lookup(owner, name) && (await options.isWanted(owner, name));
      if (isMissing) lacks = true;
      else gone.delete(name);
    }
    return lacks;
  }

  async function look(owner: string, trouble: Trouble): Promise<void> {
    try {
      const isDrifted = catalog.list(owner).some(({ drift }) => drift !== undefined);
      const isAmiss = (await lacksAny(owner, trouble)) || isDrifted;
      if (!isAmiss && trouble.timer === undefined) return void troubles.delete(owner);
      if (!isAmiss) return;
      logger.info({ owner }, 'the cluster is not as git says: the engine is asked to put it right');
      await options.ask(owner, signal);
    } catch (err) {
      if (signal.aborted) return;
      logger.warn({ err, owner }, 'what differs from git could not be put right yet');
    }
    trouble.asked += 1;
    lookIn(backoffMs(trouble.asked, retry), owner, trouble);
  }

  const unsubscribe = catalog.subscribe(({ owner, functionName, entry }) => {
    if (entry && entry.drift === undefined) return;
    const trouble = troubleOf(owner);
    if (!entry) trouble.gone.add(functionName);
    lookIn(settleMs, owner, trouble);
  });

  return {
    async [Symbol.asyncDispose]() {
      unsubscribe();
      stopping.abort();
      for (const { timer } of troubles.values()) clearTimeout(timer);
      await Promise.all(working);
    },
  };
}
