/** Wakes one follower: a single timer, however many reasons there are to ask again, and however often they are given. */
export interface Alarm extends Disposable {
  /** Wakes after so many milliseconds, or earlier if somebody asked for that. Who then still waits asks again. */
  in(ms: number): void;
}

export function createAlarm(wake: () => void, now: () => number): Alarm {
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;

  function clear(): void {
    clearTimeout(timer);
    dueAt = Number.POSITIVE_INFINITY;
  }

  return {
    in(ms) {
      const wanted = now() + ms;
      if (wanted >= dueAt) return;
      clear();
      dueAt = wanted;
      timer = setTimeout(() => {
        clear();
        wake();
      }, ms).unref();
    },
    [Symbol.dispose]: clear,
  };
}
