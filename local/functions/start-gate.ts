/** Bounds how many starts compete for the processor at the same time. */
export interface StartGate {
  /** Resolves when it is this start's turn, with the way to hand the turn on. Rejects if the signal aborts first. */
  enter(signal: AbortSignal): Promise<() => void>;
}

/** A turn ends by itself after `holdMs`, so that versions which never get healthy delay nobody for long. */
export function createStartGate(slots: number, holdMs: number): StartGate {
  const waiting: (() => void)[] = [];
  let free = slots;

  function take(): () => void {
    free--;
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      clearTimeout(timer);
      free++;
      waiting.shift()?.();
    };
    const timer = setTimeout(release, holdMs);
    return release;
  }

  return {
    enter(signal) {
      signal.throwIfAborted();
      if (free > 0) return Promise.resolve(take());
      return new Promise((resolve, reject) => {
        const turn = () => {
          signal.removeEventListener('abort', leave);
          resolve(take());
        };
        const leave = () => {
          waiting.splice(waiting.indexOf(turn), 1);
          reject(signal.reason);
        };
        waiting.push(turn);
        signal.addEventListener('abort', leave, { once: true });
      });
    },
  };
}
