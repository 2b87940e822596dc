import type { CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import type { RouterConfig } from '../config.ts';

interface Wake {
  woken: Promise<CatalogEntry>;
  waiting: number;
  controller: AbortController;
}

/** Wakes sleeping functions: one wake per function, however many requests wait for it. */
export class Waking implements Disposable {
  readonly #catalog: FunctionCatalog;
  readonly #config: RouterConfig;
  readonly #wakes = new Map<string, Wake>();

  constructor(catalog: FunctionCatalog, config: RouterConfig) {
    this.#catalog = catalog;
    this.#config = config;
  }

  /** Rejects with `unavailable` (the reason, or too many waiting) or `timeout`; on `signal` with its reason. */
  async wake(owner: string, functionName: string, signal: AbortSignal): Promise<CatalogEntry> {
    const key = `${owner}/${functionName}`;
    const wake = this.#wakes.get(key) ?? this.#start(key, owner, functionName);
    if (wake.waiting >= this.#config.maxWaiting) {
      throw new TowlineError('unavailable', `too many requests are waiting for ${functionName} to wake up`);
    }
    wake.waiting += 1;
    try {
      return await orAborted(wake.woken, signal);
    } finally {
      wake.waiting -= 1;
    }
  }

  #start(key: string, owner: string, functionName: string): Wake {
    const controller = new AbortController();
    const timeoutMs = this.#config.wakeTimeoutMs;
    const text = `${functionName} is asleep and did not wake up within ${timeoutMs} ms`;
    const timer = setTimeout(() => controller.abort(new TowlineError('timeout', text)), timeoutMs);
    const woken = orAborted(this.#catalog.wake(owner, functionName, controller.signal), controller.signal);
    const wake: Wake = { woken, waiting: 0, controller };
    this.#wakes.set(key, wake);
    const done = () => {
      clearTimeout(timer);
      this.#wakes.delete(key);
    };
    woken.then(done, done);
    return wake;
  }

  [Symbol.dispose](): void {
    for (const wake of this.#wakes.values()) {
      wake.controller.abort(new TowlineError('unavailable', 'the platform is shutting down'));
    }
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
