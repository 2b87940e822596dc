/** Wakes whoever waits for "something is different now"; what it is they look up themselves. */
export interface ChangeSignal {
  notify(): void;
  /** Asks at once and after every change, until there is an answer. Rejects with a signal's reason. */
  until<T>(answer: () => T | undefined, ...signals: (AbortSignal | undefined)[]): Promise<T>;
  /** The same for answers that take time; a change in the meantime makes it ask again. Never asks twice at once. */
  untilKnown<T>(answer: () => Promise<T | undefined>, ...signals: (AbortSignal | undefined)[]): Promise<T>;
  /** Woken by all that wakes this one, until it is disposed of, and by what is its own, which wakes nobody else. */
  fork(): ChangeSignal & Disposable;
}

export function createChangeSignal(): ChangeSignal {
  let waiting = new Set<() => void>();
  let changes = 0;
  const forks = new Set<ChangeSignal>();

  function next(signals: AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        for (const signal of signals) signal.removeEventListener('abort', wake);
        resolve();
      };
      waiting.add(wake);
      for (const signal of signals) signal.addEventListener('abort', wake, { once: true });
    });
  }

  return {
    notify() {
      changes += 1;
      const woken = waiting;
      waiting = new Set();
      for (const wake of woken) wake();
      for (const fork of forks) fork.notify();
    },
    fork() {
      const fork = createChangeSignal();
      forks.add(fork);
      return { ...fork, [Symbol.dispose]: () => void forks.delete(fork) };
    },
    async until(answer, ...given) {
      const signals = given.filter((signal) => signal !== undefined);
      for (;;) {
        for (const signal of signals) signal.throwIfAborted();
        const found = answer();
        if (found !== undefined) return found;
        await next(signals);
      }
    },
    async untilKnown(answer, ...given) {
      const signals = given.filter((signal) => signal !== undefined);
      for (;;) {
        const asked = changes;
        for (const signal of signals) signal.throwIfAborted();
        const found = await answer();
        for (const signal of signals) signal.throwIfAborted();
        if (found !== undefined) return found;
        if (asked === changes) await next(signals);
      }
    },
  };
}
